"""The shape of schedules on the wire."""

from typing import Annotated

from drf_spectacular.utils import extend_schema_field
from pydantic import BaseModel, ConfigDict, Field
from rest_framework import serializers

from opengpts.bodies import Flag, Id, Name
from runs.schemas import RunConfig
from schedules.cron import MAX_LENGTH
from schedules.models import Schedule
from threads.message_input import Messages

TimeZone = Annotated[Name, Field(json_schema_extra={"format": "time-zone"})]


class ScheduleBody(BaseModel):
    """What a client sends to create or replace a schedule.

    `cron` is five fields: minute, hour, day of the month, month, day of the week, in the `timezone` of that name.
    Without `assistant_id` the thread's assistant is run. `input` and `config` are as for `POST /runs`, but `input`
    cannot be null, which would approve tool calls that nobody has seen: `[]`, the default, has what is there answered.
    Ids of messages are not kept, since each run adds new ones. `"***"` in `config` stands for a secret of the schedule
    as it was, or of the assistant, if that is the user's own.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "thread_id": "231dc7f3-33ee-4040-98fe-27f6e2aa8b2b",
                    "cron": "0 9 * * 1-5",
                    "timezone": "Europe/Berlin",
                    "input": [{"type": "human", "content": "What is new since yesterday?"}],
                }
            ]
        }
    )

    thread_id: Id
    cron: Annotated[str, Field(max_length=MAX_LENGTH, json_schema_extra={"format": "cron"})]
    timezone: TimeZone = "UTC"
    assistant_id: Id | None = None
    input: Messages = []
    config: RunConfig | None = None
    enabled: Flag = True


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """What a client is shown of a schedule.

    `next_at` is null while it is switched off. `last_at` is when it was last due, `last_run_id` the newest run that
    it began, `last_error` why none began at `last_at`, or why the server switched it off.
    """

    schedule_id = serializers.UUIDField(source="id", read_only=True)
    user_id = serializers.CharField(source="owner.username", read_only=True)
    thread_id = serializers.UUIDField(read_only=True)
    assistant_id = serializers.UUIDField(read_only=True, allow_null=True)
    input = serializers.ListField(child=serializers.DictField(), read_only=True)
    config = serializers.DictField(read_only=True)
    last_run_id = serializers.UUIDField(read_only=True, allow_null=True)
    last_error = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields = [
            "schedule_id",
            "user_id",
            "thread_id",
            "assistant_id",
            "cron",
            "timezone",
            "input",
            "config",
            "enabled",
            "next_at",
            "last_at",
            "last_run_id",
            "last_error",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_last_error(self, schedule: Schedule) -> str | None:
        return schedule.last_error or None
