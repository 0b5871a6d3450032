"""The event logs of one process, in its memory."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from runs.event_log.entries import BATCH, Batch, Event, LogEntry, LogLost


@dataclass(slots=True)
class _ThreadLog:
    entries: deque[LogEntry]
    last_seq: int = 0
    touched: float = field(default_factory=time.monotonic)
    readers: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryEventLog:
    """See `EventLog`. For one event loop; nothing here blocks or locks."""

    def __init__(self, *, length: int, ttl: float) -> None:
        """`length`: events kept per thread. `ttl`: seconds a log is kept after its last event."""
        self._length = length
        self._ttl = ttl
        self._logs: dict[uuid.UUID, _ThreadLog] = {}

    async def append(
        self, thread_id: uuid.UUID, run_id: uuid.UUID, events: Sequence[Event], *, floor: int, continuing: bool = False
    ) -> int:
        log = self._log(thread_id)
        if not log.last_seq:
            if continuing:
                raise LogLost
            log.last_seq = floor
        for method, data in events:
            log.last_seq += 1
            log.entries.append(LogEntry(log.last_seq, run_id, method, data))
        log.touched = time.monotonic()
        log.grown.set()
        return log.last_seq

    async def last_seq(self, thread_id: uuid.UUID) -> int:
        log = self._logs.get(thread_id)
        return log.last_seq if log else 0

    async def newest(self, thread_id: uuid.UUID, count: int) -> list[LogEntry]:
        log = self._logs.get(thread_id)
        return list(islice(log.entries, max(0, len(log.entries) - count), None)) if log else []

    async def read(self, thread_id: uuid.UUID, *, after: int) -> AsyncGenerator[Batch, None]:
        log = self._log(thread_id)
        log.readers += 1
        try:
            while True:
                # One that was forgotten while this was reading has begun anew, as another object.
                if (current := self._logs.get(thread_id)) is not log:
                    log.readers -= 1
                    log = current or self._log(thread_id)
                    log.readers += 1
                if log.entries and log.last_seq > after:
                    first = log.entries[0].seq
                    start = max(0, after + 1 - first)
                    entries = list(islice(log.entries, start, start + BATCH))
                    gap, after = entries[0].seq > after + 1, entries[-1].seq
                    yield Batch(entries, gap)
                else:
                    log.grown.clear()
                    await log.grown.wait()
        finally:
            log.readers -= 1

    async def forget(self, thread_id: uuid.UUID) -> None:
        if log := self._logs.pop(thread_id, None):
            log.grown.set()

    def expire(self) -> None:
        oldest = time.monotonic() - self._ttl
        for thread_id in [key for key, log in self._logs.items() if not log.readers and log.touched < oldest]:
            del self._logs[thread_id]

    async def aclose(self) -> None:
        """There is nothing to give up."""

    def _log(self, thread_id: uuid.UUID) -> _ThreadLog:
        log = self._logs.get(thread_id)
        if log is None:
            log = self._logs[thread_id] = _ThreadLog(deque(maxlen=self._length))
        return log
