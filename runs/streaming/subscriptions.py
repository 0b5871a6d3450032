"""Which events of a thread somebody wants."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from langchain_protocol import protocol
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from opengpts.bodies import WHOLE, Name
from runs.event_log import LogEntry

# The protocol's, but for the pattern of channels that graphs may name themselves.
CHANNELS = frozenset(
    name for literal in get_args(protocol.Channel) for name in get_args(literal) if isinstance(name, str)
) - {"custom:.+"}
CUSTOM = "custom:"
# Those that tell of a run as a whole. What they say of a run that is over is of no use to who asks for nothing else.
ABOUT_RUNS = frozenset({"lifecycle", "input"})


def _known_channel(name: str) -> str:
    if name in CHANNELS or (name.startswith(CUSTOM) and len(name) > len(CUSTOM)):
        return name
    choices = ", ".join([*sorted(CHANNELS), "custom:<name>"])
    raise PydanticCustomError("channel", "Input should be one of {choices}", {"choices": choices})


Channel = Annotated[
    str,
    Field(max_length=255, json_schema_extra={"pattern": f"^({'|'.join([*sorted(CHANNELS), 'custom:.+'])})$"}),
    AfterValidator(_known_channel),
]
Namespace = Annotated[list[Name], Field(max_length=32)]
# The number of an event: what every database and Redis can count to.
Seq = Annotated[int, Field(ge=0, le=2**63 - 1), WHOLE]


class SubscribeBody(BaseModel):
    """What to stream: the protocol's `EventStreamRequest`.

    `namespaces` are prefixes of paths of graphs within graphs, `depth` is how far below them. `since` is the `seq` of
    the last event the client has; without it the stream begins with what is going on.
    """

    channels: list[Channel] = Field(min_length=1, max_length=64)
    namespaces: list[Namespace] | None = Field(default=None, max_length=64)
    depth: Seq | None = None
    since: Seq | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """Events of some channels."""

    channels: frozenset[str]
    # Whether it is about the root: our graphs have no graphs inside, so every event is the root's.
    root: bool = True

    @classmethod
    def of(cls, body: SubscribeBody) -> "Subscription":
        """The subscription that a client asks for."""
        return cls(frozenset(body.channels), root=not body.namespaces or [] in body.namespaces)

    def wants(self, entry: LogEntry) -> bool:
        """Whether the event is one of them."""
        if not self.root:
            return False
        if entry.method == "custom":
            name = entry.data.get("name")
            return "custom" in self.channels or (bool(name) and f"{CUSTOM}{name}" in self.channels)
        return channel_of(entry.method) in self.channels

    def wants_channel(self, name: str) -> bool:
        """Whether events of that channel are among them."""
        return self.root and name in self.channels

    @property
    def only_about_runs(self) -> bool:
        """Whether it is about how runs begin and end, and nothing that they say."""
        return self.channels <= ABOUT_RUNS


def channel_of(method: str) -> str:
    """The channel of events of that method."""
    return method.partition(".")[0]


def error_frame(command_id: Any, code: str, message: str) -> dict[str, Any]:
    """The protocol's `ErrorResponse`. Without a command's id it is about the connection."""
    return {"type": "error", "id": command_id, "error": code, "message": message}
