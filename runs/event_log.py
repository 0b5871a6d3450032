"""The event log of a thread: what its runs emit, in order, for any number of readers.

Events are those of the Agent Streaming Protocol (types: PyPI `langchain-protocol`), each under a `seq` that
counts from 1 in its thread. A reader says after which `seq` it wants to go on, and never slows the writer:
what it is too slow to read is trimmed, and it is told so.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.conf import settings

# The node that a run's input is logged as an update of: what the graph starts from.
INPUT_NODE = "__start__"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of one run. `method` and `data` are the protocol's."""

    seq: int
    run_id: uuid.UUID
    method: str
    data: dict[str, Any]


@dataclass(slots=True)
class Batch:
    """What a reader had not read yet. `gap`: older events were trimmed before it came to them."""

    entries: list[LogEntry]
    gap: bool


@dataclass(slots=True)
class _ThreadLog:
    entries: deque[LogEntry]
    last_seq: int = 0
    touched: float = field(default_factory=time.monotonic)
    readers: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryEventLog:
    """The event logs of this process. For one event loop; nothing here blocks or locks."""

    def __init__(self, *, length: int, ttl: float) -> None:
        """`length`: events kept per thread. `ttl`: seconds a log is kept after its last event."""
        self._length = length
        self._ttl = ttl
        self._logs: dict[uuid.UUID, _ThreadLog] = {}

    def append(self, thread_id: uuid.UUID, run_id: uuid.UUID, method: str, data: dict[str, Any]) -> int:
        """Add an event and wake the readers. Returns its `seq`."""
        log = self._log(thread_id)
        log.last_seq += 1
        log.touched = time.monotonic()
        log.entries.append(LogEntry(log.last_seq, run_id, method, data))
        if not log.grown.is_set():
            log.grown.set()
        return log.last_seq

    def last_seq(self, thread_id: uuid.UUID) -> int:
        """The `seq` of the newest event; 0 before the first."""
        log = self._logs.get(thread_id)
        return log.last_seq if log else 0

    async def read(self, thread_id: uuid.UUID, *, after: int) -> AsyncGenerator[Batch, None]:
        """All events after the `seq` given, forever, in batches of whatever has come since the last one."""
        log = self._log(thread_id)
        log.readers += 1
        # A log that was forgotten meanwhile counts from 1 again.
        after = after if after <= log.last_seq else 0
        try:
            while True:
                if log.last_seq > after:
                    kept = len(log.entries)
                    unread = log.last_seq - after
                    batch = Batch(list(islice(log.entries, max(0, kept - unread), None)), gap=unread > kept)
                    after = log.last_seq
                    yield batch
                else:
                    log.grown.clear()
                    await log.grown.wait()
        finally:
            log.readers -= 1

    def expire(self) -> None:
        """Forget the logs that nobody reads and nothing was added to for the time to live."""
        oldest = time.monotonic() - self._ttl
        for thread_id in [key for key, log in self._logs.items() if not log.readers and log.touched < oldest]:
            del self._logs[thread_id]

    def _log(self, thread_id: uuid.UUID) -> _ThreadLog:
        log = self._logs.get(thread_id)
        if log is None:
            log = self._logs[thread_id] = _ThreadLog(deque(maxlen=self._length))
        return log


event_log = MemoryEventLog(length=settings.EVENT_LOG_LENGTH, ttl=settings.EVENT_LOG_TTL)
