"""Which nodes a checkpoint makes run next, read from the checkpoint alone.

LangGraph answers this with the graph at hand. For a `StateGraph` the names of its channels say enough:
`branch:to:<node>` and `join:<nodes>:<node>` trigger the node they name, once per new version.
"""

from typing import Any

from langgraph.checkpoint.base import Checkpoint

START = "__start__"
SENDS = "__pregel_tasks"
_BRANCH = "branch:to:"
_JOIN = "join:"


def is_trigger(channel: str) -> bool:
    """Whether a channel is there to make nodes run, and holds none of the graph's state."""
    return channel in (START, SENDS) or channel.startswith((_BRANCH, _JOIN))


def next_nodes(checkpoint: Checkpoint) -> list[str]:
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
