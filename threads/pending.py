"""What a state leaves to be done: which nodes run next, and which tool calls have no result yet.

LangGraph answers the first with the graph at hand. For a `StateGraph` the names of its channels say enough:
`branch:to:<node>` and `join:<nodes>:<node>` trigger the node they name, once per new version.
"""

import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agents.confirmation import BROKEN_OFF, CONFIRMATION_NODE, NOT_APPROVED, TOO_LATE

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

START = "__start__"
SENDS = "__pregel_tasks"
_BRANCH = "branch:to:"
_JOIN = "join:"


def is_trigger(channel: str) -> bool:
    """Whether a channel is there to make nodes run, and holds none of the graph's state."""
    return channel in (START, SENDS) or channel.startswith((_BRANCH, _JOIN))


def next_nodes(checkpoint: "Checkpoint") -> list[str]:
    """The nodes that would run next, as the `next` of LangGraph's state has them right after the checkpoint.

    Those that a `Send` names come first, once per `Send`.
    """
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    triggered: dict[str, None] = {}
    for channel, value in values.items():
        node = _triggered_node(channel, value)
        if node is not None and channel in versions:
            seen = checkpoint["versions_seen"].get(node, {}).get(channel)
            if seen is None or versions[channel] > seen:  # type: ignore[operator]
                triggered[node] = None
    return [send.node for send in values.get(SENDS) or []] + list(triggered)


def _triggered_node(channel: str, value: Any) -> str | None:
    """The node that a channel with this value is there to trigger; None where it is not ready to."""
    if channel == START:
        return START
    if channel.startswith(_BRANCH):
        # A deferred node's value comes with whether the graph has finished otherwise.
        ready = value[1] if isinstance(value, tuple | list) else True
        return channel.removeprefix(_BRANCH) if ready else None
    if channel.startswith(_JOIN):
        awaited, _, node = channel.removeprefix(_JOIN).rpartition(":")
        arrived, ready = value if isinstance(value, tuple | list) else (value, True)
        # The awaited names are joined by "+", which a name may contain: their lengths tell whether all are there.
        return node if ready and len("+".join(arrived)) == len(awaited) else None
    return None


def is_waiting(next_nodes: Sequence[str]) -> bool:
    """Whether a thread with these next nodes waits for a person to decide on its tool calls."""
    return list(next_nodes) == [CONFIRMATION_NODE]


def last_step(newest_first: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any] | None, set[str]]:
    """The newest AI message with what has answered its tool calls since; None where something else was said since.

    Messages are in the API's form. No more of them are taken than the AI message and what is newer.
    """
    answered: set[str] = set()
    for message in newest_first:
        if message["type"] == "ai":
            return message, answered
        if message["type"] != "tool":
            break
        answered.add(message["tool_call_id"])
    return None, set()


def open_calls(caller: Mapping[str, Any] | None, answered: Container[str]) -> list[dict[str, Any]]:
    """The tool calls of a `last_step` that have no result yet, in the order of the calls."""
    calls = (caller and caller.get("tool_calls")) or []
    return [call for call in calls if call["id"] and call["id"] not in answered]


def given_up(
    calls: Iterable[Mapping[str, Any]], next_nodes: Sequence[str], approved: Container[str] = ()
) -> list[dict[str, Any]]:
    """The results that say that open calls will have none: the steps that were next are not taken.

    `approved` are the ids of those that somebody approved all the same.

    They are tool messages in the API's form, for nothing to dangle: providers refuse a call without a result.
    """
    text = NOT_APPROVED if is_waiting(next_nodes) else BROKEN_OFF
    return [
        {
            "type": "tool",
            "content": TOO_LATE if call["id"] in approved else text,
            "id": str(uuid.uuid4()),
            "name": call["name"],
            "tool_call_id": call["id"],
            "status": "error",
        }
        for call in calls
    ]
