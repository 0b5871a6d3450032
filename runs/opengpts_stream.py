"""OpenGPTs' stream, as a projection of the event log: each `data` event holds the messages of this run so far.

The messages are the run's input and everything it added, the last one growing; never the thread's history, so
the bytes do not grow with the thread, and no tool's artifact. Because each event says everything, events that have
piled up while a client was slow are sent as one, and one who comes back needs none of those it has missed.

Every event has an id, the number in the thread's log that it tells of: with that a client resumes.
"""

import json
from collections.abc import Iterable
from typing import Any

from langchain_core.utils.json import parse_partial_json

from opengpts.errors import NotFound, OpenGPTsError
from runs.blocks import CALL, Block, content_of
from runs.errors import CANCELLED
from runs.event_log import INPUT_NODE, LogEntry
from runs.event_log.entries import dumps
from runs.models import LIFECYCLE_ENDS, UNFINISHED, Run, RunStatus
from threads.state import messages_of_run

CRLF = "\r\n"


def encode_event(name: str, data: Any = None, *, seq: int | None = None) -> bytes:
    """One server-sent event. `data` is JSON text, or a value to encode; without it the event has none."""
    lines = [f"id: {seq}"] if seq is not None else []
    lines.append(f"event: {name}")
    if data is not None:
        lines.append(f"data: {data if isinstance(data, str) else dumps(data)}")
    return (CRLF.join(lines) + CRLF * 2).encode(errors="replace")


def error_event(error: OpenGPTsError, *, seq: int | None = None) -> bytes:
    """How a stream says that something went wrong."""
    data = {"status_code": error.status, "message": error.message, "code": error.code}
    return encode_event("error", data, seq=seq)


def ending_of(*, run: Run, seq: int) -> list[bytes]:
    """The events that end the stream of a run, going by the database alone; none while it is not over.

    `seq` is the number of the last event that its reader has.
    """
    row = Run.objects.select_related("thread").filter(pk=run.pk).first()
    if row is None:
        return [error_event(NotFound("The run was deleted."), seq=seq), encode_event("end", seq=seq)]
    if row.status in UNFINISHED:
        return []
    projection = OpenGPTsProjection()
    projection.seed(messages_of_run(thread=row.thread, run_id=str(row.pk)))
    error = OpenGPTsError(row.error_message, code=row.error_code) if row.error_code else None
    if row.status == RunStatus.CANCELLED:
        error = CANCELLED
    errors = [error_event(error, seq=seq)] if error else []
    return [*projection.stand(seq), *errors, encode_event("end", seq=seq)]


class OpenGPTsProjection:
    """What one run's events come to, for one client."""

    def __init__(self, *, seen: int | None = None) -> None:
        """`seen` is the number of the last event that the client has: what that tells of is not sent again."""
        self._seen = seen
        # By id: a run that goes on after a failure says again what it began with.
        self._done: dict[str, str] = {}
        self._growing: dict[str, Any] | None = None
        self._blocks: dict[int, Block] = {}
        self._changed = False
        self.ended = False

    def project(self, entries: Iterable[LogEntry]) -> list[bytes]:
        """The events to send for what the log has got since the last call: one `data` for it all, then how it ended."""
        out: list[bytes] = []
        seq = 0
        for entry in entries:
            seq = entry.seq
            if entry.method == "messages":
                self._grow(entry.data)
            elif entry.method == "updates":
                self._add(entry.data)
            elif entry.method == "lifecycle":
                self._end(entry.data, seq, out)
        return [*out, *self.stand(seq)]

    def skip(self, messages: Iterable[str]) -> None:
        """Say that events are missing here. `messages` are those that the run has added to its thread, as JSON.

        What is being written comes again when it is whole.
        """
        self._growing, self._blocks = None, {}
        self.seed(messages)

    def seed(self, messages: Iterable[str]) -> None:
        """Take in messages that are known from elsewhere than the log."""
        for message in map(json.loads, messages):
            self._done[message["id"]] = _without_artifact(message)
            self._changed = True

    def stand(self, seq: int) -> list[bytes]:
        """The `data` event, where there is something that the client was not told of."""
        if not self._changed or (self._seen is not None and seq <= self._seen):
            return []
        self._changed = False
        messages = [*self._done.values(), *([self._growing_text()] if self._growing is not None else [])]
        return [encode_event("data", f'{{"messages":[{",".join(messages)}]}}', seq=seq)]

    def _grow(self, data: dict[str, Any]) -> None:
        match data["event"]:
            case "message-start":
                self._growing, self._blocks = _empty_message(data["id"]), {}
            case "content-block-start" if self._growing and data["content"]["type"] in ("text", "reasoning", CALL):
                self._blocks[data["index"]] = Block(data["content"])
                # A call is worth showing before it has arguments.
                self._changed = self._changed or data["content"]["type"] == CALL
            case "content-block-delta" if data["index"] in self._blocks:
                delta = data["delta"]
                self._blocks[data["index"]].pieces.append(next(delta[key] for key in delta if key != "type"))
                self._changed = True
            case "error":
                # What of it is kept comes as an update.
                self._growing, self._blocks = None, {}

    def _add(self, data: dict[str, Any]) -> None:
        for message in data["values"]["messages"]:
            if self._growing is not None and message.get("id") == self._growing["id"]:
                self._growing = None
            self._done[message["id"]] = _without_artifact(message)
            # The client knows what it sent: the first thing it hears is the answer.
            self._changed = self._changed or data["node"] != INPUT_NODE

    def _end(self, data: dict[str, Any], seq: int, out: list[bytes]) -> None:
        if data["event"] not in LIFECYCLE_ENDS:
            return
        out += self.stand(seq)
        if "error" in data:
            out.append(error_event(OpenGPTsError(data["error"], code=data["code"]), seq=seq))
        out.append(encode_event("end", seq=seq))
        self.ended = True

    def _growing_text(self) -> str:
        assert self._growing is not None
        calls = [
            {
                "name": block.start["name"],
                "args": parse_partial_json(block.text) if block.text else {},
                "id": block.start["id"],
                "type": "tool_call",
            }
            for block in self._blocks.values()
            if block.kind == CALL
        ]
        content, kwargs = content_of([block for block in self._blocks.values() if block.kind != CALL])
        return dumps({**self._growing, "content": content, "additional_kwargs": kwargs, "tool_calls": calls})


def _without_artifact(message: dict[str, Any]) -> str:
    # Artifacts are for programs, may be large, and stand in the thread's state: not again in each event.
    return dumps({**message, "artifact": None} if "artifact" in message else message)


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
