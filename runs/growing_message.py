"""A message while its model writes it: the protocol's events for each piece, and what it comes to so far."""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_protocol.protocol import MessagesData

from opengpts.errors import OpenGPTsError
from runs.blocks import CALL, REASONING, Block, content_of
from runs.event_log import Event


class GrowingMessage:
    """One message of a model. Each method gives the events for what has happened."""

    def __init__(self, message_id: str, *, run_id: str, node: str | None) -> None:
        self.id, self.node = message_id, node
        self._metadata = {"run_id": run_id, **({"langgraph_node": node} if node else {})}
        # By kind, and the key that its chunks have in the message.
        self._indexes: dict[tuple[str, Any], int] = {}
        self._blocks: list[Block] = []
        self._open: int | None = None
        self._usage: dict[str, Any] | None = None

    def start(self) -> Iterator[Event]:
        """The message begins."""
        yield _event({"event": "message-start", "role": "ai", "id": self.id, "metadata": self._metadata})

    def add(self, chunk: AIMessageChunk) -> Iterator[Event]:
        """A chunk of it has come."""
        if chunk.usage_metadata:
            self._usage = dict(chunk.usage_metadata)
        for kind, key, value in _fragments(chunk):
            index = self._indexes.get((kind, key))
            if index is None:
                yield from self._finish_open()
                index = self._indexes[kind, key] = len(self._blocks)
                self._blocks.append(Block(_empty(kind, key, value)))
                yield _event({"event": "content-block-start", "index": index, "content": self._blocks[index].start})
            elif index != self._open:
                yield from self._finish_open()
            block, self._open = self._blocks[index], index
            block.finished = False
            if piece := value["args"] if kind == CALL else value:
                block.pieces.append(piece)
                yield _event({"event": "content-block-delta", "index": index, "delta": block.delta(piece)})

    def finish(self) -> Iterator[Event]:
        """It is whole."""
        yield from self._finish_open()
        usage = {"usage": self._usage} if self._usage else {}
        yield _event({"event": "message-finish", **usage})

    def fail(self, error: OpenGPTsError) -> Iterator[Event]:
        """It is broken off."""
        yield _event({"event": "error", "message": error.message, "code": error.code})

    def restate(self) -> Iterator[Event]:
        """The same message for somebody who has heard nothing of it: it begins, with all there is until now."""
        yield from self.start()
        for index, block in enumerate(self._blocks):
            yield _event({"event": "content-block-start", "index": index, "content": block.start})
            if block.text:
                yield _event({"event": "content-block-delta", "index": index, "delta": block.delta(block.text)})
            # One that the model has come back to is finished for now, and goes on with its next piece.
            if block.finished or index < len(self._blocks) - 1:
                yield _event({"event": "content-block-finish", "index": index, "content": block.whole()})

    def partial(self, reason: str) -> dict[str, Any] | None:
        """See `Translator.partial`."""
        spoken = [block for block in self._blocks if block.kind != CALL and block.text]
        content, kwargs = content_of(spoken)
        if not spoken:
            return None
        return {"type": "ai", "id": self.id, "content": content, "additional_kwargs": {**kwargs, "incomplete": reason}}

    def _finish_open(self) -> Iterator[Event]:
        if self._open is not None:
            block = self._blocks[self._open]
            block.finished = True
            yield _event({"event": "content-block-finish", "index": self._open, "content": block.whole()})
            self._open = None


def _event(data: MessagesData | dict[str, Any]) -> Event:
    return "messages", dict(data)


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
        yield CALL, call["index"], call


def _empty(kind: str, key: Any, value: Any) -> dict[str, Any]:
    if kind == CALL:
        return {"type": kind, "id": value["id"], "name": value["name"], "args": ""}
    return {"type": kind, kind: ""} if key is None else {"type": kind, kind: "", "index": key}
