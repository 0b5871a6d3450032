"""What is asked of every event log, of both that there are."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opengpts.settings.base import channel_layer
from runs import wakeups
from runs.event_log import EventLog, LogLost
from runs.event_log.entries import BATCH
from runs.event_log.memory import MemoryEventLog
from runs.event_log.redis import RedisEventLog
from tests.integration.runs.event_logs import DEADLINE, RUN, add, collect, events, first, following, numbers

pytestmark = pytest.mark.once

NewLog = Callable[..., EventLog]


@pytest.fixture(params=["memory", "redis"])
async def new_log(request: pytest.FixtureRequest) -> AsyncIterator[NewLog]:
    """Makes event logs, of the kind that the test is for, with nothing in them."""
    if request.param == "memory":
        yield lambda length=100_000, ttl=60.0: MemoryEventLog(length=length, ttl=ttl)
        return
    url, made = request.getfixturevalue("redis_url"), list[RedisEventLog]()

    def make(length: int = 100_000, ttl: float = 60.0) -> EventLog:
        made.append(RedisEventLog(url, prefix=f"test-{uuid.uuid4()}", length=length, ttl=ttl))
        return made[-1]

    with override_settings(CHANNEL_LAYERS={"default": channel_layer(url, "test")}):
        yield make
        for log in made:
            await log.aclose()
        await wakeups.aclose()
        await get_channel_layer().flush()


@pytest.fixture
def log(new_log: NewLog) -> EventLog:
    return new_log()


@pytest.fixture
def thread() -> uuid.UUID:
    return uuid.uuid4()


async def test_numbers_count_from_one(log: EventLog, thread: uuid.UUID) -> None:
    assert await log.last_seq(thread) == 0
    assert await add(log, thread, 10, 11, 12) == 3
    assert await add(log, thread, 13) == 4
    batch = await first(log, thread, after=0)
    assert [entry.seq for entry in batch.entries] == [1, 2, 3, 4]
    assert numbers(batch.entries) == [10, 11, 12, 13]
    assert not batch.gap
    assert await log.last_seq(thread) == 4


async def test_an_entry_is_what_was_added(log: EventLog, thread: uuid.UUID) -> None:
    data: dict[str, Any] = {"text": 'ä\n"\\ \u2028 😀 \ud800', "list": [1, 2.5, None, True], "empty": {}}
    await log.append(thread, RUN, [("input.requested", data)], floor=0)
    (entry,) = (await first(log, thread, after=0)).entries
    assert (entry.seq, entry.run_id, entry.method, entry.data) == (1, RUN, "input.requested", data)
    # Half a surrogate pair is no text that could be sent.
    sent = {**data, "text": data["text"].replace("\ud800", "?")}
    assert json.loads(entry.wire) == {
        "type": "event",
        "event_id": "1",
        "seq": 1,
        "method": "input.requested",
        "params": {"namespace": [], "timestamp": entry.timestamp, "data": sent},
    }
    (again,) = await log.newest(thread, 1)
    assert again.wire == entry.wire


async def test_writers_at_once_leave_no_gaps(log: EventLog, thread: uuid.UUID) -> None:
    async def write(writer: int, run: uuid.UUID) -> None:
        for number in range(0, 50, 5):
            await add(log, thread, *(writer * 100 + n for n in range(number, number + 5)), run=run)

    same = uuid.uuid4()
    reading = asyncio.ensure_future(collect(log, thread, after=0, until=400))
    await asyncio.gather(*(write(n, same if n < 4 else uuid.uuid4()) for n in range(8)))
    entries = await reading
    assert [entry.seq for entry in entries] == list(range(1, 401))
    for writer in range(8):
        of_writer = [number for number in numbers(entries) if number // 100 == writer]
        assert of_writer == [writer * 100 + n for n in range(50)]


async def test_a_reader_goes_on_after_any_number(log: EventLog, thread: uuid.UUID) -> None:
    await add(log, thread, *range(1, 6))
    for after in range(5):
        assert numbers((await first(log, thread, after=after)).entries) == list(range(after + 1, 6))


async def test_a_reader_waits_for_what_is_not_there_yet(log: EventLog, thread: uuid.UUID) -> None:
    reading = asyncio.ensure_future(first(log, thread, after=3))
    await add(log, thread, 1, 2, 3)
    await asyncio.sleep(0.05)
    assert not reading.done()
    await add(log, thread, 4)
    assert numbers((await reading).entries) == [4]


async def test_every_reader_gets_every_event(log: EventLog, thread: uuid.UUID) -> None:
    readers = [asyncio.ensure_future(collect(log, thread, after=0, until=300)) for _ in range(5)]
    for number in range(1, 301, 3):
        await add(log, thread, number, number + 1, number + 2)
        if number == 151:
            readers += [asyncio.ensure_future(collect(log, thread, after=after, until=300)) for after in (0, 100, 152)]
    read = [numbers(entries) for entries in await asyncio.gather(*readers)]
    assert read[:6] == [list(range(1, 301))] * 6
    assert read[6:] == [list(range(101, 301)), list(range(153, 301))]


async def test_a_slow_reader_gets_batches_of_a_bounded_size(log: EventLog, thread: uuid.UUID) -> None:
    batches = log.read(thread, after=0)
    await add(log, thread, 1)
    seen = numbers((await following(batches)).entries)
    for start in range(2, 2 * BATCH + 2, 100):
        await add(log, thread, *range(start, start + 100))
    while seen[-1] < 2 * BATCH + 1:
        batch = await following(batches)
        assert len(batch.entries) <= BATCH
        seen += numbers(batch.entries)
    assert seen == list(range(1, 2 * BATCH + 2))
    await batches.aclose()


async def test_who_reads_what_was_trimmed_is_told(new_log: NewLog, thread: uuid.UUID) -> None:
    log = new_log(length=4)
    await add(log, thread, *range(1, 8))
    await add(log, thread, 8, 9, 10)
    late = await first(log, thread, after=2)
    assert late.gap
    assert [entry.seq for entry in late.entries] == [7, 8, 9, 10]
    assert not (await first(log, thread, after=6)).gap


async def test_who_is_overtaken_while_reading_is_told(new_log: NewLog, thread: uuid.UUID) -> None:
    log = new_log(length=4)
    await add(log, thread, 1, 2)
    batches = log.read(thread, after=0)
    assert numbers((await following(batches)).entries) == [1, 2]
    for number in range(3, 1003, 5):
        await add(log, thread, *range(number, number + 5))
        await asyncio.sleep(0)
    seen, gaps = [2], 0
    while seen[-1] < 1002:
        batch = await following(batches)
        assert batch.gap == (batch.entries[0].seq > seen[-1] + 1)
        gaps += batch.gap
        seen += numbers(batch.entries)
    assert gaps
    assert seen == sorted(seen)
    await batches.aclose()


async def test_a_log_begins_at_its_floor(log: EventLog, thread: uuid.UUID) -> None:
    assert await add(log, thread, 1, floor=50) == 51
    assert await add(log, thread, 2, floor=99) == 52
    assert not (await first(log, thread, after=50)).gap
    assert (await first(log, thread, after=10)).gap


async def test_a_reader_outlives_the_log(log: EventLog, thread: uuid.UUID) -> None:
    await add(log, thread, *range(1, 6))
    batches = log.read(thread, after=0)
    await following(batches)
    await log.forget(thread)
    assert await log.last_seq(thread) == 0
    await add(log, thread, 8, floor=7)
    batch = await following(batches)
    assert batch.gap
    assert [entry.seq for entry in batch.entries] == [8]
    await batches.aclose()


async def test_who_comes_after_a_log_was_forgotten_sees_nothing_of_it(log: EventLog, thread: uuid.UUID) -> None:
    await add(log, thread, *range(1, 6))
    old = log.read(thread, after=0)
    await following(old)
    waiting = asyncio.ensure_future(anext(old))
    await log.forget(thread)
    reading = asyncio.ensure_future(collect(log, thread, after=0, until=2))
    await asyncio.sleep(0)
    await add(log, thread, 101)
    await add(log, thread, 102)
    assert numbers(await reading) == [101, 102]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await old.aclose()


async def test_a_writer_who_goes_on_learns_that_its_log_is_lost(log: EventLog, thread: uuid.UUID) -> None:
    with pytest.raises(LogLost):
        await log.append(thread, RUN, events(1), floor=0, continuing=True)
    assert await log.last_seq(thread) == 0
    await log.append(thread, RUN, events(1), floor=0)
    assert await log.append(thread, RUN, events(2), floor=0, continuing=True) == 2
    await log.forget(thread)
    with pytest.raises(LogLost):
        await log.append(thread, RUN, events(3), floor=2, continuing=True)
    assert await log.append(thread, RUN, events(3), floor=2) == 3
    assert await log.append(thread, RUN, events(4), floor=2, continuing=True) == 4
    assert numbers((await first(log, thread, after=0)).entries) == [3, 4]


async def test_equal_batches_are_two(log: EventLog, thread: uuid.UUID) -> None:
    for _ in range(3):
        await add(log, thread, 7, 7)
    assert numbers((await first(log, thread, after=0)).entries) == [7] * 6


async def test_the_newest(log: EventLog, thread: uuid.UUID) -> None:
    assert await log.newest(thread, 3) == []
    await add(log, thread, 1, 2, 3, 4)
    assert numbers(await log.newest(thread, 3)) == [2, 3, 4]
    assert numbers(await log.newest(thread, 9)) == [1, 2, 3, 4]
    assert await log.newest(thread, 0) == []


async def test_a_log_lasts_for_a_time_after_its_last_event(new_log: NewLog, thread: uuid.UUID) -> None:
    log = new_log(ttl=0.1)
    await add(log, thread, 1)
    async with asyncio.timeout(DEADLINE):
        while await log.last_seq(thread):
            log.expire()
            await asyncio.sleep(0.02)
    assert await log.newest(thread, 1) == []
    assert await add(log, thread, 2, floor=1) == 2


async def test_threads_have_logs_of_their_own(log: EventLog) -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    await add(log, one, 1, 2)
    await add(log, other, 3)
    await log.forget(one)
    assert await log.last_seq(one) == 0
    assert numbers((await first(log, other, after=0)).entries) == [3]


LENGTH = 7
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 12)),
        st.tuples(st.just("read"), st.integers(0, 60)),
        st.tuples(st.just("follow"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.integers(0, 3)),
        st.tuples(st.just("newest"), st.integers(0, 10)),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_sequence_of_steps_is_as_in_a_simple_model(new_log: NewLog, steps: list[tuple[str, int]]) -> None:
    log, thread = new_log(length=LENGTH), uuid.uuid4()
    # The model: the numbers that the log still has, the newest that was ever given, and where three readers are.
    kept, given_out, total = list[int](), 0, 0
    cursors = [0, 0, 0]
    readers = [log.read(thread, after=0) for _ in cursors]

    def expected(after: int) -> tuple[list[int], bool]:
        left = [seq for seq in kept if seq > after]
        return left, bool(left) and left[0] > after + 1

    for step, argument in steps:
        if step == "append":
            total = await add(log, thread, *range(given_out + 1, given_out + argument + 1), floor=given_out)
            kept = [*kept, *range(given_out + 1, total + 1)][-LENGTH:]
            given_out += argument
            assert total == given_out
        elif step == "lose":
            await log.forget(thread)
            kept, given_out = [], given_out + argument
        elif step == "newest":
            assert numbers(await log.newest(thread, argument)) == (kept[-argument:] if argument else [])
        elif step == "read" and expected(argument)[0]:
            batch = await first(log, thread, after=argument)
            assert (numbers(batch.entries), batch.gap) == expected(argument)
        elif step == "follow" and kept and kept[-1] > cursors[argument]:
            entries, gap = list[int](), False
            before, end = cursors[argument], kept[-1]
            while not entries or entries[-1] < end:
                batch = await following(readers[argument])
                assert batch.gap == (batch.entries[0].seq > (entries or [before])[-1] + 1)
                entries, gap = entries + numbers(batch.entries), gap or batch.gap
            # Who reads along may have what the log itself has no more.
            left, _ = expected(before)
            assert entries[-len(left) :] == left
            assert entries == list(range(entries[0], end + 1)) or gap
            cursors[argument] = end
    for reader in readers:
        await reader.aclose()
    await log.forget(thread)


async def test_shuffled_readers_and_writers(log: EventLog, thread: uuid.UUID) -> None:
    chance = random.Random(7)

    async def read() -> list[int]:
        await asyncio.sleep(chance.random() * 0.2)
        return numbers(await collect(log, thread, after=0, until=2000))

    async def write() -> None:
        done = 0
        while done < 2000:
            size = min(chance.randint(1, 40), 2000 - done)
            await add(log, thread, *range(done + 1, done + size + 1))
            done += size
            await asyncio.sleep(chance.random() * 0.004)

    results: list[Any] = await asyncio.gather(write(), *(read() for _ in range(20)))
    assert results[1:] == [list(range(1, 2001))] * 20


async def test_logs_in_memory_are_trimmed_where_they_are_too_large_together() -> None:
    log, large, small = MemoryEventLog(length=100, ttl=60, size=3_000_000), uuid.uuid4(), uuid.uuid4()
    await add(log, small, 1, 2, 3)
    for _ in range(50):
        await log.append(large, RUN, [("updates", {"values": {"messages": [{"content": "x" * 100_000}]}})], floor=0)
    batch = await first(log, large, after=0)
    assert batch.gap
    assert 5 <= len(batch.entries) <= 15
    assert batch.entries[-1].seq == 50
    assert numbers(await collect(log, small, after=0, until=3)) == [1, 2, 3]
    await log.forget(large)
    await add(log, large, 7)
    assert numbers((await first(log, large, after=0)).entries) == [7]
    # One that is larger than all may be is not kept, and said to be missing.
    await log.append(large, RUN, [("custom", {"n": "x" * 2_000_000})], floor=0)
    await add(log, large, 8)
    batch = await first(log, large, after=0)
    assert (batch.gap, numbers(batch.entries)) == (True, [8])
