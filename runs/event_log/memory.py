"""The event logs of one process, in its memory."""

import asyncio
import math
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from sys import getsizeof
from typing import Any

from runs.event_log.entries import BATCH, Batch, Event, LogEntry, LogLost

# Bytes that an entry takes beside its text, about.
ENTRY = 500


@dataclass(slots=True)
class _ThreadLog:
    entries: deque[LogEntry] = field(default_factory=deque)
    # Of each entry, and of all.
    sizes: deque[int] = field(default_factory=deque)
    size: int = 0
    last_seq: int = 0
    touched: float = field(default_factory=time.monotonic)
    readers: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryEventLog:
    """See `EventLog`. For one event loop; nothing here blocks or locks."""

    def __init__(self, *, length: int, ttl: float, size: float = math.inf) -> None:
        """`length`: events kept per thread. `ttl`: seconds a log is kept after its last event.

        `size`: bytes of all logs together, about; where it is more, the longest ones are trimmed.
        """
        self._length, self._ttl, self._most = length, ttl, size
        self._size = 0
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
            log.sizes.append(ENTRY + _size_of(data))
            log.size += log.sizes[-1]
            self._size += log.sizes[-1]
        self._trim(log)
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
            self._size -= log.size
            log.grown.set()

    def expire(self) -> None:
        oldest = time.monotonic() - self._ttl
        for thread_id in [key for key, log in self._logs.items() if not log.readers and log.touched < oldest]:
            self._size -= self._logs.pop(thread_id).size

    async def aclose(self) -> None:
        """There is nothing to give up."""

    def _log(self, thread_id: uuid.UUID) -> _ThreadLog:
        log = self._logs.get(thread_id)
        if log is None:
            log = self._logs[thread_id] = _ThreadLog()
        return log

    def _trim(self, log: _ThreadLog) -> None:
        while len(log.entries) > self._length:
            self._drop_oldest(log)
        while self._size > self._most:
            longest = max(self._logs.values(), key=lambda one: one.size)
            # To its half, so that not for each entry all logs are looked at.
            half = longest.size // 2
            while longest.size > half and self._size > self._most:
                self._drop_oldest(longest)

    def _drop_oldest(self, log: _ThreadLog) -> None:
        log.entries.popleft()
        size = log.sizes.popleft()
        log.size -= size
        self._size -= size


def _size_of(value: Any) -> int:
    """Bytes of the text in a JSON value, which is twice as much once it was sent."""
    if isinstance(value, str):
        return 2 * getsizeof(value)
    if isinstance(value, dict):
        return sum(map(_size_of, value.values()))
    return sum(map(_size_of, value)) if isinstance(value, list) else 0
