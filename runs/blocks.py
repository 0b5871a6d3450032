"""Content blocks while they grow, and the message that they come to."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.utils.json import parse_partial_json

# Where some servers of OpenAI's API put what a model thought before it spoke, beside the content.
REASONING = "reasoning_content"
CALL = "tool_call_chunk"


@dataclass(slots=True)
class Block:
    """A content block that grows: text, reasoning, or a tool call's arguments.

    `start` is what the event that began it says; `pieces` are those of the text, or of the arguments' JSON.
    """

    start: dict[str, Any]
    pieces: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def kind(self) -> str:
        return str(self.start["type"])

    @property
    def text(self) -> str:
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def delta(self, piece: str) -> dict[str, Any]:
        """The protocol's delta for one more piece."""
        return (
            {"type": "tool-call-delta", "args": piece}
            if self.kind == CALL
            else {"type": f"{self.kind}-delta", self.kind: piece}
        )

    def whole(self) -> dict[str, Any]:
        """The block as its last event has it."""
        if self.kind != CALL:
            return {**self.start, self.kind: self.text}
        call = {"id": self.start["id"], "name": self.start["name"]}
        args = _parsed(self.text)
        if args is None:
            return {"type": "invalid_tool_call", **call, "args": self.text, "error": "The arguments are not JSON."}
        return {"type": "tool_call", **call, "args": args}


def content_of(blocks: list[Block]) -> tuple[Any, dict[str, Any]]:
    """The `content` of a message with these blocks of text and reasoning, and its `additional_kwargs`.

    As the finished message has them: blocks in a list, or text and beside it what the model thought.
    """
    listed = [block for block in blocks if "index" in block.start]
    beside = {block.kind: block.text for block in blocks if "index" not in block.start}
    content: Any = beside.get("text", "")
    if listed:
        text = [{"type": "text", "text": content}] if content else []
        content = [*(block.whole() for block in listed), *text]
    return content, ({REASONING: beside["reasoning"]} if "reasoning" in beside else {})


def _parsed(args: str) -> dict[str, Any] | None:
    """A call's arguments, as LangChain will read them; None where they are none."""
    try:
        parsed = parse_partial_json(args) if args else {}
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
