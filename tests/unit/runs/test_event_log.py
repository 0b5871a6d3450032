import asyncio
import uuid

import pytest

from runs.event_log import Batch, MemoryEventLog

pytestmark = pytest.mark.once

THREAD, RUN = uuid.uuid4(), uuid.uuid4()


def filled(*, events: int, length: int = 100) -> MemoryEventLog:
    log = MemoryEventLog(length=length, ttl=60)
    for number in range(events):
        log.append(THREAD, RUN, "custom", {"n": number})
    return log


async def next_batch(log: MemoryEventLog, after: int) -> Batch:
    return await anext(log.read(THREAD, after=after))


async def test_the_numbers_count_from_one_without_gaps() -> None:
    batch = await next_batch(filled(events=5), after=0)
    assert [entry.seq for entry in batch.entries] == [1, 2, 3, 4, 5]
    assert not batch.gap


async def test_a_reader_goes_on_after_the_number_it_names() -> None:
    batch = await next_batch(filled(events=5), after=3)
    assert [entry.data["n"] for entry in batch.entries] == [3, 4]


async def test_a_reader_of_what_was_trimmed_is_told() -> None:
    log = filled(events=10, length=4)
    late = await next_batch(log, after=2)
    assert late.gap
    assert [entry.seq for entry in late.entries] == [7, 8, 9, 10]
    assert not (await next_batch(log, after=6)).gap


async def test_every_reader_gets_every_event() -> None:
    log = filled(events=0)

    async def collect() -> list[int]:
        seen: list[int] = []
        async for batch in log.read(THREAD, after=0):
            seen += [entry.seq for entry in batch.entries]
            if len(seen) >= 30:
                return seen
        raise AssertionError("the log ended")

    readers = [asyncio.ensure_future(collect()) for _ in range(3)]
    for number in range(30):
        log.append(THREAD, RUN, "custom", {"n": number})
        if number % 7 == 0:
            await asyncio.sleep(0)
    assert await asyncio.gather(*readers) == [list(range(1, 31))] * 3


async def test_a_log_without_readers_is_forgotten_after_its_time() -> None:
    log = MemoryEventLog(length=10, ttl=0)
    log.append(THREAD, RUN, "custom", {})
    reader = log.read(THREAD, after=0)
    await anext(reader)
    log.expire()
    assert log.last_seq(THREAD) == 1
    await reader.aclose()
    log.expire()
    assert log.last_seq(THREAD) == 0


async def test_a_reader_outlives_the_log_it_began_with() -> None:
    log = MemoryEventLog(length=10, ttl=0)
    for number in range(5):
        log.append(THREAD, RUN, "custom", {"n": number})
    log.expire()
    log.append(THREAD, RUN, "custom", {"n": "new"})
    assert [entry.data["n"] for entry in (await next_batch(log, after=5)).entries] == ["new"]
