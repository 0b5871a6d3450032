"""What an event log holds, and what is asked of every kind of one."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

# The node that a run's input is logged as an update of: what the graph starts from.
INPUT_NODE = "__start__"

# A method of the Agent Streaming Protocol and its data.
Event = tuple[str, dict[str, Any]]


def now_in_milliseconds() -> int:
    """The protocol's unit of time."""
    return time.time_ns() // 1_000_000


@dataclass
class LogEntry:
    """One event of one run. `method` and `data` are the protocol's, `timestamp` is in milliseconds since 1970."""

    seq: int
    run_id: uuid.UUID
    method: str
    data: dict[str, Any]
    timestamp: int = field(default_factory=now_in_milliseconds)

    @cached_property
    def wire(self) -> str:
        """The event as the protocol sends it: JSON, made once however many read it."""
        return self.encode(dumps(self.data))

    def encode(self, data: str) -> str:
        """The event with `data`, which is JSON, in place of its own."""
        # Official clients tell by this form which run it is about: the event itself has no place for that.
        event_id = f"synth:{self.run_id}:{self.seq}" if self.method == "lifecycle" else None
        return encode_wire(self.seq, self.method, data, self.timestamp, event_id)


def encode_wire(seq: int, method: str, data: str, timestamp: int, event_id: str | None = None) -> str:
    """The protocol's envelope around `data`, which is JSON. An event is known by its place unless `event_id` says more.

    Our graphs have no graphs inside, so the namespace is always the root's.
    """
    text = (
        f'{{"type":"event","event_id":"{event_id or seq}","seq":{seq},"method":"{method}",'
        f'"params":{{"namespace":[],"timestamp":{timestamp},"data":{data}}}}}'
    )
    # Half a surrogate pair is no text that could be sent.
    return text if text.isascii() else text.encode(errors="replace").decode()


def dumps(value: Any) -> str:
    """Compact JSON, as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True)
class Batch:
    """What a reader had not read yet, in order. `gap`: events before these are gone, and it never had them."""

    entries: list[LogEntry]
    gap: bool


class LogUnavailable(Exception):
    """The log cannot be reached now. Nothing was added, or nobody knows; trying again is right."""


class LogLost(Exception):
    """There is no log where the writer has added to one before: what it held is gone. Nothing was added."""


class LogTaken(Exception):
    """A later attempt at the run, in another process, has added to the log. Nothing was added."""


class EventLog(Protocol):
    """The event logs of all threads.

    Events are numbered from 1 in each thread, without gaps, and are kept up to a number and for a time after the last
    one. Any number of readers, wherever they are, read from wherever they like and slow nobody: what one is too slow
    to read before it is gone, it is told is missing.
    """

    async def append(
        self, thread_id: uuid.UUID, run_id: uuid.UUID, events: Sequence[Event], *, floor: int, continuing: bool = False
    ) -> int:
        """Add events in order, all or none, and wake the readers. Returns the number of the last.

        `floor` is the highest number that may have been given before: a log that begins now counts on from there, so
        that no number stands for two events. `continuing`: the caller has added to this log before, and wants to know
        when that is lost. Raises `LogUnavailable`; `LogLost` for one who is continuing; and `LogTaken`, where processes
        share the log, for one whose run has been written with a higher floor since.
        """

    async def last_seq(self, thread_id: uuid.UUID) -> int:
        """The number of the newest event; 0 where there is no log. Raises `LogUnavailable`."""

    async def newest(self, thread_id: uuid.UUID, count: int) -> list[LogEntry]:
        """The newest entries, `count` at most, in order. Raises `LogUnavailable`."""

    def read(self, thread_id: uuid.UUID, *, after: int) -> AsyncGenerator[Batch, None]:
        """All events after that number, forever, in batches of what has come since, each of `BATCH` entries at most.

        A gap is told with the first entries behind it. Numbers go up, also when the log was lost and begun again.
        While the log cannot be reached, nothing comes.
        """

    async def forget(self, thread_id: uuid.UUID) -> None:
        """Remove a thread's log: the thread was deleted. Its readers are not told."""

    def expire(self) -> None:
        """Remove what is past its time, where nothing else does. Called every few seconds."""

    async def aclose(self) -> None:
        """Give up what it holds of this event loop: connections, tasks."""


# Entries that a reader is given at once: it holds no more than these, however far behind it is.
BATCH = 500
