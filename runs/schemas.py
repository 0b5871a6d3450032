"""The shape of runs on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from pydantic import BaseModel, ConfigDict
from rest_framework import serializers

from runs.models import Run


class RunConfig(BaseModel):
    """What is different for one run: `configurable` as an assistant's."""

    configurable: dict[str, Any] | None = None


class RunBody(BaseModel):
    """What a client sends to start a run.

    `input` is `{"messages": […]}`, a list of messages, one message, `[]` (answer what is there), or null (go on
    from where the thread stands). `assistant_id` may be left out: the thread's assistant runs then.
    `config.configurable` overrides the assistant's for this run; it cannot name another thread or user.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "thread_id": "231dc7f3-33ee-4040-98fe-27f6e2aa8b2b",
                    "input": {"messages": [{"type": "human", "content": "have a good day!"}]},
                }
            ]
        }
    )

    thread_id: str
    assistant_id: str | None = None
    input: Any = None
    config: RunConfig | None = None


class RunStarted(BaseModel):
    """The run was accepted and will be done, whether or not anyone watches."""

    status: str = "ok"
    run_id: str


class RunError(BaseModel):
    """Why a run failed: a stable code, and a sentence."""

    code: str
    message: str


class RunSerializer(serializers.ModelSerializer[Run]):
    """What a client is shown of a run. `status` is pending, running, success, error, interrupted or cancelled."""

    run_id = serializers.UUIDField(source="id", read_only=True)
    thread_id = serializers.UUIDField(read_only=True)
    assistant_id = serializers.UUIDField(read_only=True, allow_null=True)
    user_id = serializers.CharField(source="owner.username", read_only=True)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "run_id",
            "thread_id",
            "assistant_id",
            "user_id",
            "status",
            "error",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(RunError)  # type: ignore[arg-type]  # spectacular takes pydantic models, its types say not
    def get_error(self, run: Run) -> dict[str, str] | None:
        return {"code": run.error_code, "message": run.error_message} if run.error_code else None
