"""The parameters of the protocol's commands. Unknown fields are ignored: the protocol grows by them."""

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from opengpts.bodies import Id, Name
from runs.models import CancelAction
from runs.schemas import RunConfig
from runs.streaming.subscriptions import Channel, Namespace, Seq, SubscribeBody

Strategy = Literal["enqueue", "reject", "interrupt", "rollback"]
MAX_CHECKPOINTS = 100


class RunStart(BaseModel):
    """`run.start`. `multitask_strategy` and `on_disconnect` are as for `POST /runs/stream`."""

    assistant_id: Id
    input: Any = None
    config: RunConfig | None = None
    multitask_strategy: Strategy | None = Field(
        default=None, validation_alias=AliasChoices("multitask_strategy", "multitaskStrategy")
    )
    on_disconnect: Literal["continue", "cancel"] = Field(
        default="continue", validation_alias=AliasChoices("on_disconnect", "onDisconnect")
    )


class RunCancel(BaseModel):
    """`run.cancel`, which is ours."""

    run_id: Id
    action: CancelAction = CancelAction.INTERRUPT


class Unsubscribe(BaseModel):
    """`subscription.unsubscribe`."""

    subscription_id: Name


class Reconnect(BaseModel):
    """`subscription.reconnect`: go on after the event that was last seen.

    With the ids of subscriptions of this socket, or, on a new one, with `channels` and what belongs to them.
    """

    run_id: Id | None = None
    last_event_id: Name | None = None
    subscriptions: list[Name] = Field(default_factory=list, max_length=64)
    channels: list[Channel] | None = Field(default=None, min_length=1, max_length=64)
    namespaces: list[Namespace] | None = Field(default=None, max_length=64)
    depth: Seq | None = None

    @model_validator(mode="after")
    def _an_event(self) -> "Reconnect":
        seq = "0" if self.last_event_id is None else _number_in(self.last_event_id)
        if not (seq.isascii() and seq.isdigit() and len(seq) < 20):
            raise PydanticCustomError("value_error", "last_event_id should be the id of an event")
        return self

    @property
    def since(self) -> int | None:
        """The number of the last event that was seen."""
        return int(_number_in(self.last_event_id)) if self.last_event_id is not None else None

    def body(self) -> SubscribeBody | None:
        """The subscription that is asked for by its channels."""
        if self.channels is None:
            return None
        return SubscribeBody(channels=self.channels, namespaces=self.namespaces, depth=self.depth, since=self.since)


def _number_in(event_id: str) -> str:
    """The number of the event of that id, whatever else the id says."""
    return event_id.rpartition(":")[2].partition("-")[0]


class InputAnswer(BaseModel):
    """An answer to one interrupt."""

    interrupt_id: Name
    namespace: Namespace = Field(default_factory=list)
    response: Any


class InputRespond(BaseModel):
    """`input.respond`: one answer, or several in `responses`."""

    interrupt_id: Name | None = None
    namespace: Namespace = Field(default_factory=list)
    response: Any = None
    responses: list[InputAnswer] | None = Field(default=None, max_length=64)
    update: Any = None
    goto: Any = None
    config: RunConfig | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "InputRespond":
        if (self.interrupt_id is None) == (self.responses is None):
            raise PydanticCustomError("value_error", "Give an interrupt_id with a response, or responses")
        return self

    def answers(self) -> list[tuple[str, Any]]:
        """The ids of the interrupts, and what is answered."""
        if self.interrupt_id is not None:
            return [(self.interrupt_id, self.response)]
        return [(answer.interrupt_id, answer.response) for answer in self.responses or []]


class InjectedMessage(BaseModel):
    """What somebody says without being asked."""

    role: Literal["user", "system"]
    content: str
    name: Name | None = None


class InputInject(BaseModel):
    """`input.inject`."""

    namespace: Namespace = Field(default_factory=list)
    message: InjectedMessage


class StateGet(BaseModel):
    """`state.get`."""

    namespace: Namespace = Field(default_factory=list)
    keys: list[Name] | None = Field(default=None, max_length=64)


class StateListCheckpoints(BaseModel):
    """`state.listCheckpoints`, newest first; `before` is a checkpoint's id."""

    namespace: Namespace | None = None
    limit: int = Field(default=20, ge=1, le=MAX_CHECKPOINTS)
    before: str | None = Field(default=None, max_length=64, pattern=r"^[\x21-\x7e]*$")


class StateFork(BaseModel):
    """`state.fork`: `input` and `config` are as for `POST /runs`."""

    checkpoint_id: Name
    input: Any = None
    config: RunConfig | None = None


class AgentGetTree(BaseModel):
    """`agent.getTree`, of a run or of the thread's last one."""

    run_id: Id | None = None
