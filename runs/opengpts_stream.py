"""OpenGPTs' stream, as a projection of the event log: each `data` event holds the messages of this run so far.

The messages are the run's input and everything it added, the last one growing; never the thread's history, so
the bytes do not grow with the thread, and no tool's artifact. Because each event says everything, events that have
piled up while a client was slow are sent as one.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from langchain_core.utils.json import parse_partial_json

from opengpts.errors import NotFound, OpenGPTsError
from runs.event_log import INPUT_NODE, LogEntry
from runs.models import Run, RunStatus

CRLF = "\r\n"


def encode_event(name: str, data: Any = None) -> bytes:
    """One server-sent event. `data` is JSON text, or a value to encode; without it the event has none."""
    lines = [f"event: {name}"]
    if data is not None:
        lines.append(f"data: {data if isinstance(data, str) else _dumps(data)}")
    return (CRLF.join(lines) + CRLF * 2).encode(errors="replace")


def ending_of(*, run: Run) -> list[bytes]:
    """The events that end the stream of a run, going by its row alone; none while it is not over."""
    row = Run.objects.filter(pk=run.pk).first()
    if row is None:
        return [error_event(NotFound("The run was deleted.")), encode_event("end")]
    if row.status in (RunStatus.PENDING, RunStatus.RUNNING):
        return []
    error = OpenGPTsError(row.error_message, code=row.error_code) if row.error_code else None
    return [*([error_event(error)] if error else []), encode_event("end")]


def error_event(error: OpenGPTsError) -> bytes:
    """How a stream says that something went wrong."""
    return encode_event("error", {"status_code": error.status, "message": error.message, "code": error.code})


@dataclass(slots=True)
class _Block:
    """A block of text or reasoning that grows. `start` is what its first event says of it."""

    start: dict[str, Any]
    pieces: list[str]

    def value(self) -> dict[str, Any]:
        return {**self.start, self.start["type"]: "".join(self.pieces)}


class OpenGPTsProjection:
    """What one run's events come to, for one client."""

    def __init__(self) -> None:
        # By id: a run that goes on after a failure says again what it began with.
        self._done: dict[str, str] = {}
        self._growing: dict[str, Any] | None = None
        self._blocks: dict[int, _Block] = {}
        self._calls: dict[int, dict[str, str]] = {}
        self._changed = False
        self.ended = False

    def project(self, entries: Iterable[LogEntry]) -> list[bytes]:
        """The events to send for what the log has got since the last call: one `data` for it all, then how it ended."""
        out: list[bytes] = []
        for entry in entries:
            if entry.method == "messages":
                self._grow(entry.data)
            elif entry.method == "updates":
                self._add(entry.data)
            elif entry.method == "lifecycle":
                self._end(entry.data, out)
        if self._changed:
            out.append(self._data())
        return out

    def skip(self) -> None:
        """Say that events are missing here: what is being written comes again when it is whole."""
        self._growing, self._changed = None, False

    def _grow(self, data: dict[str, Any]) -> None:
        match data["event"]:
            case "message-start":
                self._growing = _empty_message(data["id"])
                self._blocks, self._calls = {}, {}
            case "content-block-start" if self._growing and data["content"]["type"] == "tool_call_chunk":
                call = data["content"]
                self._calls[data["index"]] = {"id": call["id"], "name": call["name"], "args": ""}
                self._changed = True
            case "content-block-start" if self._growing and data["content"]["type"] in ("text", "reasoning"):
                self._blocks[data["index"]] = _Block(data["content"], [])
            case "content-block-delta" if self._growing:
                self._extend(data["index"], data["delta"])

    def _extend(self, index: int, delta: dict[str, str]) -> None:
        if index in self._blocks and delta["type"] in ("text-delta", "reasoning-delta"):
            self._blocks[index].pieces.append(delta[delta["type"].removesuffix("-delta")])
        elif index in self._calls and delta["type"] == "tool-call-delta":
            self._calls[index]["args"] += delta["args"]
        else:
            return
        self._changed = True

    def _add(self, data: dict[str, Any]) -> None:
        for message in data["values"]["messages"]:
            if self._growing is not None and message.get("id") == self._growing["id"]:
                self._growing = None
            # Artifacts are for programs, may be large, and stand in the thread's state: not again in each event.
            self._done[message["id"]] = _dumps({**message, "artifact": None} if "artifact" in message else message)
            # The client knows what it sent: the first thing it hears is the answer.
            self._changed = data["node"] != INPUT_NODE

    def _end(self, data: dict[str, Any], out: list[bytes]) -> None:
        if data["event"] not in ("completed", "failed", "interrupted"):
            return
        if self._changed:
            out.append(self._data())
        if "error" in data:
            out.append(error_event(OpenGPTsError(data["error"], code=data["code"])))
        out.append(encode_event("end"))
        self.ended = True

    def _data(self) -> bytes:
        self._changed = False
        messages = [*self._done.values(), *([self._growing_text()] if self._growing is not None else [])]
        return encode_event("data", f'{{"messages":[{",".join(messages)}]}}')

    def _growing_text(self) -> str:
        assert self._growing is not None
        calls = [
            {
                "name": call["name"],
                "args": parse_partial_json(call["args"]) if call["args"] else {},
                "id": call["id"],
                "type": "tool_call",
            }
            for call in self._calls.values()
        ]
        # As the finished message will have it: blocks in a list, or text and beside it what the model thought.
        blocks = [block for block in self._blocks.values() if "index" in block.start]
        beside = {block.start["type"]: "".join(block.pieces) for block in self._blocks.values() if block not in blocks}
        content: Any = beside.get("text", "")
        if blocks:
            text = [{"type": "text", "text": content}] if content else []
            content = [*(block.value() for block in blocks), *text]
        thought = {"reasoning_content": beside["reasoning"]} if "reasoning" in beside else {}
        return _dumps({**self._growing, "content": content, "additional_kwargs": thought, "tool_calls": calls})


def _empty_message(message_id: str) -> dict[str, Any]:
    return {
        "content": "",
        "additional_kwargs": {},
        "response_metadata": {},
        "type": "ai",
        "name": None,
        "id": message_id,
        "example": False,
        "tool_calls": [],
        "invalid_tool_calls": [],
        "usage_metadata": None,
    }


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
