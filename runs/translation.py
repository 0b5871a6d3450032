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

# The key that LangGraph reports interrupts under, among its nodes' updates.
INTERRUPT = "__interrupt__"
# Where some servers of OpenAI's API put what a model thought before it spoke, beside the content.
REASONING = "reasoning_content"


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
                if node == INTERRUPT:
                    for interrupt in values:
                        yield "input.requested", {"interrupt_id": interrupt.id, "payload": interrupt.value}
                    continue
                every = [message for update in _updates(values) for message in _messages(update)]
                if not every:
                    continue
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
                content = _empty(kind, key, text)
                yield {"event": "content-block-start", "index": self._blocks[block], "content": content}
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


def _updates(values: Any) -> list[dict[str, Any]]:
    """What a node has written: one update, or several in a list."""
    return [item for item in (values if isinstance(values, list) else [values]) if isinstance(item, dict)]


def _messages(update: dict[str, Any]) -> list[BaseMessage]:
    messages = update.get("messages") or []
    return messages if isinstance(messages, list) else [messages]


def _fragments(chunk: AIMessageChunk) -> Iterator[tuple[str, Any, Any]]:
    """The pieces of a chunk as (block type, key of the block within the message, what is added to it).

    The key of a block that stands in a list of blocks is its index there; that of plain text is None.
    """
    if reasoning := chunk.additional_kwargs.get(REASONING):
        yield "reasoning", None, str(reasoning)
    if isinstance(chunk.content, str):
        if chunk.content:
            yield "text", None, chunk.content
    else:
        for place, part in enumerate(chunk.content):
            if isinstance(part, str):
                yield "text", None, part
                continue
            kind = "reasoning" if part.get("type") == "thinking" else part.get("type")
            if kind in ("text", "reasoning") and (text := part.get(part["type"])):
                yield kind, part.get("index", place), text
    for call in chunk.tool_call_chunks:
        yield "tool_call_chunk", call["index"], call


def _empty(kind: str, key: Any, text: Any) -> Any:
    if kind == "tool_call_chunk":
        return {"type": kind, "id": text["id"], "name": text["name"], "args": ""}
    return {"type": kind, kind: ""} if key is None else {"type": kind, kind: "", "index": key}
