"""The shape of runs on the wire."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from drf_spectacular.utils import extend_schema_field
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from rest_framework import serializers

from assistants.schemas import Configurable
from opengpts.bodies import Id, Name
from runs.models import Run
from threads.message_input import Messages

# Decisions of one answer: as many calls as a message may have, and more than any model makes.
MAX_DECISIONS = 128
# Why a call was not made, for the model to read.
Reason = Annotated[str, Field(max_length=10_000)]


class RunConfig(BaseModel):
    """What is different for one run: `configurable` as an assistant's."""

    configurable: Annotated[dict[str, Any] | None, WithJsonSchema(Configurable)] = None


class Approve(BaseModel):
    """Run the call as it stands."""

    type: Literal["approve"]


class EditedAction(BaseModel):
    """A call as it should be instead. The tool stays the same."""

    name: Name
    args: dict[str, Any]


class Edit(BaseModel):
    """Run the call with other arguments. The model is told."""

    type: Literal["edit"]
    edited_action: EditedAction


class Reject(BaseModel):
    """Do not run the call. The model is told, with the reason given as `message`."""

    type: Literal["reject"]
    message: Reason | None = None


Decision = Annotated[Approve | Edit | Reject, Field(discriminator="type")]


class Resume(BaseModel):
    """A decision on each tool call that waits, in the order of the calls."""

    decisions: list[Decision] = Field(max_length=MAX_DECISIONS)


class Command(BaseModel):
    """Goes on with a run that was interrupted, as LangGraph's clients say it. Only `resume` is taken."""

    model_config = ConfigDict(extra="forbid")

    resume: Resume


class RunBody(BaseModel):
    """What a client sends to start a run.

    `input` is `{"messages": […]}`, a list of messages, one message, `[]` (answer what is there), or null (go on
    from where the thread stands: tool calls that wait for confirmation are approved). `command` is given instead of
    `input`, to decide on each of these calls. `assistant_id` may be left out: the thread's assistant runs then.
    `config.configurable` overrides the assistant's for this run; it cannot name another thread or user. `"***"` in it
    stands for a secret of the assistant, if that is the user's own. Its `checkpoint_id` is a state of the thread's past
    to begin from, which makes a branch.

    `multitask_strategy` says what becomes of the thread's runs that have not ended: `enqueue` waits for them, `reject`
    refuses the new one (409), `interrupt` and `rollback` cancel them so.
    `on_disconnect` is for streams: `cancel` cancels the run when the client leaves.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["input", "command"],
                "properties": {name: {"not": {"type": "null"}} for name in ("input", "command")},
            },
            "examples": [
                {
                    "thread_id": "231dc7f3-33ee-4040-98fe-27f6e2aa8b2b",
                    "input": {"messages": [{"type": "human", "content": "have a good day!"}]},
                }
            ],
        }
    )

    thread_id: Id
    assistant_id: Id | None = None
    input: Messages | None = None
    command: Command | None = None
    config: RunConfig | None = None
    multitask_strategy: Literal["enqueue", "reject", "interrupt", "rollback"] = "enqueue"
    on_disconnect: Literal["continue", "cancel"] = "continue"

    @model_validator(mode="after")
    def _one_of_both(self) -> "RunBody":
        if self.command is not None and self.input is not None:
            raise PydanticCustomError("value_error", "A run has an input or a command, not both")
        return self


class RunStarted(BaseModel):
    """The run was accepted and will be done, whether or not anyone watches."""

    status: str = "ok"
    run_id: str


class RunErrorSerializer(serializers.Serializer[dict[str, str]]):
    """Why a run failed: a stable code, and a sentence."""

    code = serializers.CharField()
    message = serializers.CharField()


class RunUsageSerializer(serializers.Serializer[dict[str, Any]]):
    """Tokens that a run's models read and wrote. `estimated`: of some of it the provider gave no count."""

    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    estimated = serializers.BooleanField()


class RunSerializer(serializers.ModelSerializer[Run]):
    """What a client is shown of a run. `status` is pending, running, success, error, interrupted or cancelled.

    `model` (its label), `usage` and `cost` come when it ends; null where no model was called, and the cost also where
    a price is not known.
    """

    run_id = serializers.UUIDField(source="id", read_only=True)
    thread_id = serializers.UUIDField(read_only=True)
    assistant_id = serializers.UUIDField(read_only=True, allow_null=True)
    user_id = serializers.CharField(source="owner.username", read_only=True)
    error = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    cost = serializers.DecimalField(
        max_digits=20,
        decimal_places=10,
        normalize_output=True,
        read_only=True,
        allow_null=True,
        help_text="In USD, at the prices of its time.",
    )

    class Meta:
        model = Run
        fields = [
            "run_id",
            "thread_id",
            "assistant_id",
            "user_id",
            "status",
            "error",
            "model",
            "usage",
            "cost",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, str] | None:
        return {"code": run.error_code, "message": run.error_message} if run.error_code else None

    @extend_schema_field(serializers.CharField(allow_null=True, help_text="The label of the model that it called."))
    def get_model(self, run: Run) -> str | None:
        return run.model or None

    @extend_schema_field(RunUsageSerializer(allow_null=True))
    def get_usage(self, run: Run) -> dict[str, Any] | None:
        return {**asdict(usage), "total_tokens": usage.total_tokens} if (usage := run.usage) else None
