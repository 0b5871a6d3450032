"""Random streams of models, and what a reader of the protocol makes of the events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message

from runs.translation import Translator

Item = tuple[str, Any]
NODE = {"langgraph_node": "model"}


def _call(index: int, piece: str, first: bool) -> dict[str, Any]:
    start = {"name": f"tool{index}", "id": f"call{index}"} if first else {"name": None, "id": None}
    return {**start, "args": piece, "index": index, "type": "tool_call_chunk"}


def _chunks(message_id: str, parts: list[tuple[str, str]]) -> Iterator[AIMessageChunk]:
    """Parts are a kind and a piece. All of one kind of content: text beside reasoning, or blocks in a list."""
    begun: set[str] = set()
    for kind, piece in parts:
        first = kind not in begun
        fields: dict[str, Any] = {}
        begun.add(kind)
        content: Any = ""
        match kind[:4]:
            case "text":
                content = piece
            case "hint":
                fields = {"additional_kwargs": {"reasoning_content": piece}} if piece else {}
            case "call":
                fields = {"tool_call_chunks": [_call(int(kind[4:]), piece, first)]}
        yield AIMessageChunk(content=content, id=message_id, **fields)


@st.composite
def messages(draw: st.DrawFn, number: int) -> list[AIMessageChunk]:
    """The chunks of one message."""
    pieces = st.text("ab \n\u00e9\U0001f600", max_size=4)
    kinds = st.sampled_from(["text", "hint"])
    spoken = draw(st.lists(st.tuples(kinds, pieces), max_size=12))
    calls: list[tuple[str, str]] = []
    for index in range(draw(st.integers(0, 2))):
        text = json.dumps({"a": draw(pieces), "b": index})
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        ends = [*cuts, len(text)]
        calls += [(f"call{index}", "")]
        calls += [(f"call{index}", text[start:end]) for start, end in zip([0, *cuts], ends, strict=True)]
    chunks = list(_chunks(f"run-{number}", [*spoken, *calls]))
    return [*chunks, AIMessageChunk(content="", id=f"run-{number}")]


def whole(chunks: list[AIMessageChunk]) -> BaseMessage:
    """The message that its chunks come to."""
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    message = message_chunk_to_message(total)
    assert isinstance(message, AIMessage)
    return message


@st.composite
def conversations(draw: st.DrawFn) -> list[Item]:
    """What a graph streams: some messages, each told again by its node when it is whole."""
    items: list[Item] = []
    for number in range(draw(st.integers(1, 3))):
        chunks = draw(messages(number))
        items += [("messages", (chunk, NODE)) for chunk in chunks]
        items.append(("updates", {"model": {"messages": [whole(chunks)]}}))
    return items


def translate(translator: Translator, items: Iterable[Item]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events for all of it."""
    for mode, payload in items:
        yield from translator.translate(mode, payload)


@dataclass
class Said:
    """A message as a reader has it: the text of each block, and whether it was closed."""

    blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
    finished: dict[int, dict[str, Any]] = field(default_factory=dict)
    closed: str = ""


@dataclass
class Reader:
    """Builds messages from events, and complains of what the protocol does not allow."""

    said: dict[str, Said] = field(default_factory=dict)
    current: str | None = None
    open: int | None = None

    def read(self, method: str, data: dict[str, Any]) -> None:
        """Take one event."""
        if method != "messages":
            return
        event = data["event"]
        if event == "message-start":
            assert self.current is None, "another message is being written"
            self.current, self.open = data["id"], None
            self.said[data["id"]] = Said()
            return
        assert self.current is not None, f"{event} of no message"
        message = self.said[self.current]
        match event:
            case "content-block-start":
                assert self.open is None
                assert data["index"] == len(message.blocks), "blocks are numbered from 0"
                message.blocks[data["index"]] = {**data["content"], "pieces": ""}
                self.open = data["index"]
            case "content-block-delta":
                # A provider may come back to a block.
                assert data["index"] in message.blocks
                assert self.open in (None, data["index"]), "blocks are not interleaved"
                self.open = data["index"]
                [key] = [key for key in data["delta"] if key != "type"]
                message.blocks[data["index"]]["pieces"] += data["delta"][key]
            case "content-block-finish":
                # Once more where it was told again after the provider had come back to it.
                assert self.open == data["index"] or data["index"] in message.finished
                message.finished[data["index"]] = data["content"]
                self.open = None
            case "message-finish":
                assert self.open is None
                assert message.finished.keys() == message.blocks.keys()
                message.closed, self.current = event, None
            case "error":
                message.closed, self.current, self.open = event, None, None
            case _:
                raise AssertionError(event)
