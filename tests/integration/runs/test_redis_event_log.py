"""The event log in Redis: across processes, through outages, and what it leaves behind."""

import asyncio
import logging
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from channels.layers import get_channel_layer
from django.test import override_settings

from opengpts.settings.base import channel_layer
from runs import wakeups
from runs.event_log import LogEntry, LogLost, LogUnavailable, event_log
from runs.event_log import redis as redis_log
from runs.event_log.memory import MemoryEventLog
from runs.event_log.redis import RedisEventLog
from runs.event_log.redis_scripts import APPEND
from tests.certificates import self_signed
from tests.integration.runs.event_logs import DEADLINE, RUN, add, collect, events, first, following, numbers, until
from tests.services import Redis

pytestmark = [
    pytest.mark.once,
    # Two tasks of the layer that find its connection gone at once both connect: one connection is left to be collected.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parent.parent.parent.parent

WRITER = """
import asyncio, sys, uuid
import django
django.setup()
from runs import wakeups
from runs.event_log import event_log

async def main(thread, start):
    run = uuid.uuid4()
    for number in range(start, start + 100):
        await event_log().append(thread, run, [("custom", {"n": number})], floor=0)
    await event_log().aclose()
    await wakeups.wake("written")

asyncio.run(main(uuid.UUID(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.fixture
def thread() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A Redis that the test may do anything to."""
    with Redis() as server:
        yield server


@asynccontextmanager
async def opened(url: str, *, length: int = 10_000, ttl: float = 60.0) -> AsyncIterator[RedisEventLog]:
    """An event log there, and the channel layer."""
    log = RedisEventLog(url, prefix="test", length=length, ttl=ttl)
    with override_settings(CHANNEL_LAYERS={"default": channel_layer(url, "test")}):
        try:
            yield log
        finally:
            await log.aclose()
            await wakeups.aclose()
            await get_channel_layer().flush()


@pytest.fixture
async def log(redis: Redis) -> AsyncIterator[RedisEventLog]:
    async with opened(redis.url()) as log:
        yield log
        redis.resume()


async def append_until_done(log: RedisEventLog, thread: uuid.UUID, *given: int, floor: int = 0) -> int:
    """As a run's writer does: try again while nobody knows."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return await add(log, thread, *given, floor=floor)
        except LogUnavailable:
            assert time.monotonic() < deadline


async def test_processes_write_to_one_log_and_read_it(redis: Redis, log: RedisEventLog, thread: uuid.UUID) -> None:
    settings = f"""
from opengpts.settings.testing import *
from opengpts.settings.base import channel_layer
REDIS_URL, REDIS_PREFIX = {redis.url()!r}, "test"
CHANNEL_LAYERS = {{"default": channel_layer(REDIS_URL, "test")}}
"""
    (redis.directory / "log_settings.py").write_text(settings)

    def write(start: int) -> None:
        subprocess.run(
            [sys.executable, "-c", WRITER, str(thread), str(start)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{redis.directory}", "DJANGO_SETTINGS_MODULE": "log_settings"},
            check=True,
        )

    reading = [asyncio.ensure_future(collect(log, thread, after=0, until=300)) for _ in range(3)]
    await asyncio.gather(*(asyncio.to_thread(write, start) for start in (0, 1000)), write_here(log, thread, 2000))
    for entries in await asyncio.gather(*reading):
        assert [entry.seq for entry in entries] == list(range(1, 301))
        for start in (0, 1000, 2000):
            assert [n for n in numbers(entries) if start <= n < start + 1000] == list(range(start, start + 100))


async def write_here(log: RedisEventLog, thread: uuid.UUID, start: int) -> None:
    for number in range(start, start + 100):
        await add(log, thread, number)
        await asyncio.sleep(0.002)


async def test_a_restart_that_loses_everything_is_told_to_writer_and_reader(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "runs.event_log")
    await add(log, thread, 1, 2, 3)
    batches, along = log.read(thread, after=0), log.read(thread, after=3)
    await following(batches)
    waiting = [asyncio.ensure_future(following(batches)), asyncio.ensure_future(following(along))]
    await asyncio.to_thread(redis.end)
    with pytest.raises(LogUnavailable):
        await log.append(thread, RUN, events(4), floor=3, continuing=True)
    await until(lambda: caplog.records)
    await asyncio.to_thread(redis.begin)
    with pytest.raises(LogLost):
        await log.append(thread, RUN, events(4), floor=3, continuing=True)
    assert await add(log, thread, 4, floor=9) == 10
    for batch in await asyncio.gather(*waiting):
        assert batch.gap
        assert [(entry.seq, entry.data) for entry in batch.entries] == [(10, {"n": 4})]
    await batches.aclose()
    await along.aclose()
    told = [record.getMessage() for record in caplog.records if record.name == "runs.event_log.redis"]
    assert len(told) == 2, told
    assert told[0].startswith("The event log cannot be read: ")
    assert told[1] == "The event log can be read again."


async def test_a_restart_while_writing_and_reading(redis: Redis, log: RedisEventLog, thread: uuid.UUID) -> None:
    """A run's writer gets its last events to every reader, with numbers that only go up."""
    readers = [log.read(thread, after=0) for _ in range(3)]

    async def read(number: int) -> list[LogEntry]:
        entries = list[LogEntry]()
        async with asyncio.timeout(DEADLINE):
            async for batch in readers[number]:
                assert batch.gap == (batch.entries[0].seq > (entries[-1].seq if entries else 0) + 1)
                entries += batch.entries
                if entries[-1].data["n"] == 400:
                    return entries
        raise AssertionError("the log ended")

    async def write() -> None:
        last, continuing = 0, False
        for number in range(1, 401):
            while True:
                try:
                    last = await log.append(thread, RUN, events(number), floor=last, continuing=continuing)
                    continuing = True
                    break
                except LogUnavailable:
                    await asyncio.sleep(0.05)
                except LogLost:
                    continuing = False
            await asyncio.sleep(0.002)

    async def restart() -> None:
        await asyncio.sleep(0.3)
        await asyncio.to_thread(redis.end)
        await asyncio.to_thread(redis.begin)

    reading = [asyncio.ensure_future(read(number)) for number in range(3)]
    await asyncio.gather(write(), restart())
    for entries in await asyncio.gather(*reading):
        seqs, given = [entry.seq for entry in entries], numbers(entries)
        assert seqs == sorted(set(seqs))
        assert given == sorted(set(given))
    for reader in readers:
        await reader.aclose()


async def test_an_append_that_redis_did_while_nobody_waited_is_not_doubled(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_log, "TIMEOUT", 0.3)
    await add(log, thread, 1)
    redis.pause()
    with pytest.raises(LogUnavailable):
        await add(log, thread, 2, 3)
    with pytest.raises(LogUnavailable):
        await add(log, thread, 2, 3)
    redis.resume()
    # Tried again, together with what has come since.
    assert await append_until_done(log, thread, 2, 3, 4) == 4
    assert await add(log, thread, 5) == 5
    assert numbers((await first(log, thread, after=0)).entries) == [1, 2, 3, 4, 5]


async def test_a_batch_that_arrives_after_a_later_one_is_not_added(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that gave a batch up and went on: the first may be done or not, but once, and never afterwards."""
    await add(log, thread, 1)
    monkeypatch.setattr(redis_log, "TIMEOUT", 0.3)
    redis.pause()
    with pytest.raises(LogUnavailable):
        await add(log, thread, 2)
    redis.resume()
    await append_until_done(log, thread, 3)
    assert numbers((await first(log, thread, after=0)).entries) in ([1, 3], [1, 2, 3])

    writer = log._connections.here().writers[thread, RUN]
    keys = [*log._keys(thread), f"{log._key(thread)}:writer:{writer.name}"]
    before = await log.last_seq(thread)
    late = [writer.number - 1, 0, 0, 0, 100, 60_000, "x", b"never read"]
    assert (await log._connections.here().run(APPEND, keys, *late))[0] == before
    assert await log.last_seq(thread) == before


async def test_a_connection_lost_after_the_script_ran_doubles_nothing(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID
) -> None:
    """Connections are killed while writing: the client tries again by itself, and so does the writer."""

    async def kill(done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.to_thread(redis.ask, "CLIENT", "KILL", "TYPE", "normal")

    done = asyncio.Event()
    killing = asyncio.ensure_future(kill(done))
    for number in range(1, 301):
        await append_until_done(log, thread, number)
    done.set()
    await killing
    assert numbers(await collect(log, thread, after=0, until=300)) == list(range(1, 301))


async def test_a_writer_learns_that_redis_went_back_in_time(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID
) -> None:
    """As after a restart from a backup: numbers that were given once are not given again."""
    await add(log, thread, 1, 2, 3, 4, 5)
    batches = log.read(thread, after=0)
    await following(batches)
    entries, head = log._keys(thread)
    for seq in (4, 5):
        redis.ask("XDEL", entries, f"{seq}-0")
    redis.ask("HSET", head, "last", "3")
    with pytest.raises(LogLost):
        await log.append(thread, RUN, events(6), floor=5, continuing=True)
    assert await add(log, thread, 6, floor=5) == 6
    assert numbers((await following(batches)).entries) == [6]
    await batches.aclose()


async def test_nothing_is_left_after_its_time(redis: Redis, thread: uuid.UUID) -> None:
    async with opened(redis.url(), ttl=0.3) as log:
        await add(log, thread, 1)
        keys = redis.ask("KEYS", "*")
        assert len(keys) == 4
        assert all(key.startswith(f"test:log:{{{thread}}}:") for key in keys)
        times = {redis.ask("PTTL", key) for key in keys}
        assert max(times) <= 300
        assert max(times) - min(times) < 100
        await until(lambda: redis.ask("DBSIZE") == 0)


async def test_each_append_puts_the_end_off(redis: Redis, thread: uuid.UUID) -> None:
    async with opened(redis.url(), ttl=100) as log:
        await add(log, thread, 1)
        for key in redis.ask("KEYS", "*"):
            redis.ask("PEXPIRE", key, "5000")
        await add(log, thread, 2)
        assert {redis.ask("PTTL", key) > 90_000 for key in redis.ask("KEYS", "*")} == {True}


@pytest.mark.parametrize("kept", ["entries", "head"])
async def test_a_log_of_which_redis_evicted_a_part_is_lost(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID, kept: str
) -> None:
    await add(log, thread, 1, 2)
    redis.ask("DEL", next(key for key in log._keys(thread) if not key.endswith(kept)))
    with pytest.raises(LogLost):
        await log.append(thread, RUN, events(3), floor=2, continuing=True)
    assert await add(log, thread, 3, floor=2) == 3
    assert numbers((await first(log, thread, after=0)).entries) == [3]


async def test_what_redis_refuses_for_now_is_tried_again(redis: Redis, log: RedisEventLog, thread: uuid.UUID) -> None:
    await add(log, thread, 1)
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(LogUnavailable, match="maxmemory"):
        await add(log, thread, 2)
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(LogUnavailable, match="read only"):
        await add(log, thread, 2)
    redis.ask("REPLICAOF", "NO", "ONE")
    assert await add(log, thread, 2) == 2


async def test_a_key_of_another_kind_is_no_outage(redis: Redis, log: RedisEventLog, thread: uuid.UUID) -> None:
    redis.ask("SET", log._keys(thread)[1], "not ours")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await add(log, thread, 1)
    with pytest.raises(Exception, match="WRONGTYPE"):
        await first(log, thread, after=0)


async def test_who_waits_is_told_that_the_log_cannot_be_followed(
    redis: Redis, log: RedisEventLog, thread: uuid.UUID
) -> None:
    waiting = asyncio.ensure_future(first(log, thread, after=0))
    tails = log._connections.here().tails
    await until(lambda: thread in tails and tails[thread]._following)
    redis.ask("SET", log._keys(thread)[1], "not ours")
    with pytest.raises(RuntimeError, match="followed no more") as caught:
        await waiting
    assert "WRONGTYPE" in str(caught.value.__cause__)
    redis.ask("DEL", log._keys(thread)[1])
    await add(log, thread, 1)
    assert numbers((await first(log, thread, after=0)).entries) == [1]


async def test_readers_are_forgotten_when_they_leave(log: RedisEventLog, thread: uuid.UUID) -> None:
    await add(log, thread, 1)
    readers = [log.read(thread, after=0) for _ in range(3)]
    for reader in readers:
        await following(reader)
    here = log._connections.here()
    assert here.tails[thread].readers == 3
    for reader in readers:
        await reader.aclose()
    assert not here.tails


async def test_a_password_and_a_numbered_database() -> None:
    with Redis("--requirepass", "s3cret/ä") as server:
        thread = uuid.uuid4()
        url = f"redis://:s3cret%2F%C3%A4@127.0.0.1:{server.port}/3"
        async with opened(url) as log, wakeups.on("a") as event:
            assert await add(log, thread, 1) == 1
            assert numbers((await first(log, thread, after=0)).entries) == [1]
            await wakeups.wake("a")
            assert event.is_set()
        async with opened(f"redis://:s3cret%2F%C3%A4@127.0.0.1:{server.port}/4") as other:
            assert await other.last_seq(thread) == 0
        async with opened(server.url()) as stranger:
            with pytest.raises(LogUnavailable, match="Authentication required"):
                await stranger.last_seq(thread)


async def test_tls(redis: Redis, thread: uuid.UUID, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", redis.port)
        ways = [asyncio.ensure_future(copy(reader, there[1])), asyncio.ensure_future(copy(there[0], writer))]
        await asyncio.wait(ways)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async with await asyncio.start_server(pipe, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}") as log:
            assert await add(log, thread, 1) == 1
            assert numbers((await first(log, thread, after=0)).entries) == [1]
        async with opened(f"rediss://127.0.0.1:{port}/0") as distrusting:
            with pytest.raises(LogUnavailable, match="certificate"):
                await distrusting.last_seq(thread)


def test_the_settings_choose() -> None:
    event_log.cache_clear()
    try:
        with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
            assert isinstance(event_log(), RedisEventLog)
            assert event_log() is event_log()
        event_log.cache_clear()
        with override_settings(REDIS_URL=""):
            assert isinstance(event_log(), MemoryEventLog)
    finally:
        event_log.cache_clear()
