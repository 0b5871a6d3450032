"""From LangGraph's stream to the protocol's events.

Text and tool calls travel as deltas, so what is sent grows with the text and not with its square. A message
that is finished travels once more, whole, in the `updates` event of the node that added it.
"""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, RemoveMessage
from langchain_protocol.protocol import MessagesData

from runs.event_log import INPUT_NODE
from threads.message_codec import to_wire

Event = tuple[str, dict[str, Any]]


class Translator:
    """Translates one run's stream. Remembers which message is being written, and its open content blocks."""

    def __init__(self) -> None:
        self._open_message: str | None = None
        self._blocks: dict[tuple[str, Any], int] = {}

    def input(self, messages: list[BaseMessage]) -> Event:
        """The event that says what the run was asked: its input, as an update by the graph's start."""
        return _update(INPUT_NODE, messages)

    def translate(self, mode: str, payload: Any) -> Iterator[Event]:
        """The events for one item of `graph.astream(stream_mode=["messages", "updates"])`."""
        if mode == "messages":
            chunk = payload[0]
            # A message that a node returned whole comes here too; its node's update tells it better.
            if isinstance(chunk, AIMessageChunk):
                for data in self._deltas(chunk):
                    yield "messages", dict(data)
        else:
            for node, values in payload.items():
                messages = values.get("messages") if isinstance(values, dict) else None
                if messages is None:
                    continue
                every = messages if isinstance(messages, list) else [messages]
                added = [message for message in every if not isinstance(message, RemoveMessage)]
                if self._open_message in {message.id for message in added}:
                    self._open_message = None
                    yield "messages", {"event": "message-finish"}
                yield _update(node, added)

    def _deltas(self, chunk: BaseMessage) -> Iterator[MessagesData]:
        assert isinstance(chunk, AIMessageChunk)
        if chunk.id != self._open_message and chunk.id is not None:
            self._open_message = chunk.id
            self._blocks = {}
            yield {"event": "message-start", "role": "ai", "id": chunk.id}
        for kind, key, text in _fragments(chunk):
            block = (kind, key)
            if block not in self._blocks:
                self._blocks[block] = len(self._blocks)
                yield {"event": "content-block-start", "index": self._blocks[block], "content": _empty(kind, text)}
            if kind == "tool_call_chunk":
                if text["args"]:
                    delta: Any = {"type": "tool-call-delta", "args": text["args"]}
                else:
                    continue
            else:
                delta = {"type": f"{kind}-delta", kind: text}
            yield {"event": "content-block-delta", "index": self._blocks[block], "delta": delta}


def _update(node: str, messages: list[BaseMessage]) -> Event:
    return "updates", {"node": node, "values": {"messages": [to_wire(message) for message in messages]}}


def _fragments(chunk: AIMessageChunk) -> Iterator[tuple[str, Any, Any]]:
    """The pieces of a chunk as (block type, key of the block within the message, what is added to it)."""
    if isinstance(chunk.content, str):
        if chunk.content:
            yield "text", None, chunk.content
    else:
        for part in chunk.content:
            if isinstance(part, str):
                yield "text", None, part
            elif part.get("type") in ("text", "reasoning") and part.get(part["type"]):
                yield part["type"], part.get("index"), part[part["type"]]
    for call in chunk.tool_call_chunks:
        yield "tool_call_chunk", call["index"], call


def _empty(kind: str, text: Any) -> Any:
    if kind == "tool_call_chunk":
        return {"type": kind, "id": text["id"], "name": text["name"], "args": ""}
    return {"type": kind, kind: ""}
