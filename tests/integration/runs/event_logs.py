"""Event logs for tests: both kinds, and what reads them."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from runs.event_log import Batch, Event, EventLog, LogEntry

RUN = uuid.uuid4()
# Seconds: more than anything in these tests should take.
DEADLINE = 30.0


def events(*numbers: int) -> list[Event]:
    """One event for each number, which is its data."""
    return [("custom", {"n": number}) for number in numbers]


def numbers(entries: Sequence[LogEntry]) -> list[int]:
    """The numbers that `events` was given."""
    return [entry.data["n"] for entry in entries]


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def add(log: EventLog, thread: uuid.UUID, *given: int, floor: int = 0, run: uuid.UUID = RUN) -> int:
    """Append `events` of these numbers."""
    return await log.append(thread, run, events(*given), floor=floor)


async def following(batches: AsyncGenerator[Batch, None]) -> Batch:
    """The next batch."""
    async with asyncio.timeout(DEADLINE):
        return await anext(batches)


async def first(log: EventLog, thread: uuid.UUID, *, after: int) -> Batch:
    """What a new reader gets at once."""
    batches = log.read(thread, after=after)
    try:
        return await following(batches)
    finally:
        await batches.aclose()


async def collect(log: EventLog, thread: uuid.UUID, *, after: int, until: int) -> list[LogEntry]:
    """What a reader gets, up to the entry of the number `until`. There must be no gap."""
    batches, entries = log.read(thread, after=after), list[LogEntry]()
    try:
        while not entries or entries[-1].seq < until:
            batch = await following(batches)
            assert not batch.gap
            entries += batch.entries
        return entries
    finally:
        await batches.aclose()
