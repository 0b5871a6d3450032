"""The event logs of a deployment, in Redis: any process adds to them, and any reads them."""

import asyncio
import logging
import random
import re
import time
import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from opengpts.outage import Outage
from opengpts.per_loop import PerLoop
from runs import wakeups
from runs.event_log.entries import BATCH, Batch, Event, LogEntry, LogLost, LogTaken, LogUnavailable, now_in_milliseconds
from runs.event_log.redis_scripts import APPEND, PAGE
from runs.event_log.stored import Page, StoredEntry, store
from runs.event_log.tail import POLL, Tail

logger = logging.getLogger(__name__)

# Seconds that Redis is given to answer, and connections to it at most from one event loop; further callers wait.
TIMEOUT = 5.0
CONNECTIONS = 32
# Numbers beyond are none that a log could have: scripts count exactly up to here.
LARGEST = 2**53
# How Redis refuses what it may do later; in scripts the word may be anywhere in the message.
_FOR_NOW = re.compile(r"\b(OOM|LOADING|READONLY|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY)\b")


@dataclass(slots=True)
class _Writer:
    """Who adds to one log for one run: one batch after the other, each with a number (see `redis_scripts`)."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    number: int = 0
    # The newest number that the log has given this writer.
    known: int = 0
    # The batch of which nobody knows whether it was added: as it was given, and as it was sent.
    open_events: list[Event] = field(default_factory=list)
    open_stored: list[bytes] = field(default_factory=list)
    used: float = field(default_factory=time.monotonic)


class RedisEventLog:
    """See `EventLog`. For any number of event loops and processes."""

    def __init__(self, url: str, *, prefix: str, length: int, ttl: float) -> None:
        """`prefix` begins the names of keys. `length`: events kept per thread, exactly. `ttl`: seconds a log is kept
        after its last event.
        """
        self._prefix, self._length, self._ttl = prefix, length, ttl
        self._connections = PerLoop(lambda: _Connection(url))

    async def append(
        self, thread_id: uuid.UUID, run_id: uuid.UUID, events: Sequence[Event], *, floor: int, continuing: bool = False
    ) -> int:
        here = self._connections.here()
        writer = here.writers.setdefault((thread_id, run_id), _Writer())
        async with writer.lock:
            writer.used = time.monotonic()
            last, again = 0, len(writer.open_events)
            if again and list(events[:again]) == writer.open_events:
                last = await self._send(here, writer, thread_id, run_id, floor=floor, continuing=continuing)
                events, continuing = events[again:], True
            if events or not last:
                writer.number += 1
                now = now_in_milliseconds()
                writer.open_events = list(events)
                writer.open_stored = [store(run_id, event, now) for event in events]
                last = await self._send(here, writer, thread_id, run_id, floor=floor, continuing=continuing)
        return last

    async def last_seq(self, thread_id: uuid.UUID) -> int:
        return (await self._page(thread_id, after=LARGEST)).last

    async def newest(self, thread_id: uuid.UUID, count: int) -> list[LogEntry]:
        return [*(await self._page(thread_id, after=-count, count=count)).entries] if count > 0 else []

    async def read(self, thread_id: uuid.UUID, *, after: int) -> AsyncGenerator[Batch, None]:
        here = self._connections.here()
        tail = here.tails.get(thread_id)
        if tail is None or tail.broken:
            patiently = partial(self._page_patiently, here, thread_id)
            tail = here.tails[thread_id] = Tail(_wakeup(thread_id), patiently)
        tail.readers += 1
        after, caught_up = max(0, after), False
        try:
            while True:
                version = tail.version
                entries = tail.newer(after) if caught_up else None
                if entries is None:
                    page = await self._page_patiently(here, thread_id, after)
                    entries, caught_up = page.entries, len(page.entries) < BATCH
                    if caught_up:
                        tail.begin(page)
                if entries:
                    gap, after = entries[0].seq > after + 1, entries[-1].seq
                    yield Batch([*entries], gap)
                elif tail.version == version:
                    await tail.change()
        finally:
            tail.readers -= 1
            if not tail.readers:
                if here.tails.get(thread_id) is tail:
                    del here.tails[thread_id]
                await tail.end()

    async def forget(self, thread_id: uuid.UUID) -> None:
        """See `EventLog`. While Redis is away the log stays until its time is over."""
        try:
            await self._connections.here().delete(self._keys(thread_id))
        except LogUnavailable as exc:
            logger.warning("The events of the deleted thread %s stay for %g s: %s", thread_id, self._ttl, exc)
        wakeups.wake_soon(_wakeup(thread_id))

    def expire(self) -> None:
        """Redis removes logs by itself; here, what is known of writers is forgotten after the same time."""
        oldest = time.monotonic() - max(self._ttl, TIMEOUT)
        for connection in self._connections.everywhere().values():
            old = [key for key, writer in list(connection.writers.items()) if writer.used < oldest]
            for key in old:
                del connection.writers[key]

    async def aclose(self) -> None:
        if connection := self._connections.pop():
            await connection.aclose()

    async def _send(
        self,
        here: "_Connection",
        writer: _Writer,
        thread_id: uuid.UUID,
        run_id: uuid.UUID,
        *,
        floor: int,
        continuing: bool,
    ) -> int:
        """Add the writer's open batch, which is open no more unless nobody knows."""
        key = self._key(thread_id)
        keys = [*self._keys(thread_id), f"{key}:writer:{writer.name}", f"{key}:fence:{run_id}"]
        settings = (floor, self._length, max(1, round(self._ttl * 1000)), uuid.uuid4().hex)
        try:
            answer = await here.run(
                APPEND, keys, writer.number, writer.known, int(continuing), *settings, *writer.open_stored
            )
        except LogUnavailable:
            raise
        except Exception:
            writer.open_events, writer.open_stored = [], []
            raise
        stored, writer.open_events, writer.open_stored = writer.open_stored, [], []
        if answer is None:
            writer.known = 0
            raise LogLost
        last: int = answer[0]
        if last < 0:
            raise LogTaken
        writer.known = last
        if stored:
            tail = here.tails.get(thread_id)
            noticed = tail is not None and tail.feed(answer[1], _entries(last - len(stored) + 1, stored))
            wakeups.wake_soon(_wakeup(thread_id), here=not noticed)
        return last

    async def _page(self, thread_id: uuid.UUID, *, after: int, count: int = BATCH) -> Page:
        here = self._connections.here()
        born, last, first, *stored = await here.run(PAGE, self._keys(thread_id), min(after, LARGEST), count)
        return Page(born, last, _entries(first, stored))

    async def _page_patiently(self, here: "_Connection", thread_id: uuid.UUID, after: int) -> Page:
        while True:
            try:
                page = await self._page(thread_id, after=after)
            except LogUnavailable as exc:
                here.outage.met(exc)
                await asyncio.sleep(POLL * random.uniform(0.8, 1.2))  # nosec B311  # spreads polls, keeps no secret
            else:
                here.outage.over()
                return page

    def _keys(self, thread_id: uuid.UUID) -> list[str]:
        key = self._key(thread_id)
        return [f"{key}:entries", f"{key}:head"]

    def _key(self, thread_id: uuid.UUID) -> str:
        # What is in braces says which keys a cluster of Redis must keep together.
        return f"{self._prefix}:log:{{{thread_id}}}"


class _Connection:
    """What an event loop has of Redis, and of who reads and writes there."""

    def __init__(self, url: str) -> None:
        self.outage = Outage(logger, begun="The event log cannot be read", over="The event log can be read again")
        self.tails: dict[uuid.UUID, Tail] = {}
        self.writers: dict[tuple[uuid.UUID, uuid.UUID], _Writer] = {}
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT,
            # `_answer` has a timeout for all of it. One per socket costs a task for every command.
            socket_timeout=None,
            socket_connect_timeout=TIMEOUT,
            # A connection of before Redis was restarted fails once, when it is used. That is no outage.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            protocol=2,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._scripts = {text: self._redis.register_script(text) for text in (APPEND, PAGE)}

    async def run(self, script: str, keys: list[str], *arguments: Any) -> Any:
        """What a script answers. Raises `LogUnavailable`."""
        return await _answer(self._scripts[script](keys, arguments))

    async def delete(self, keys: list[str]) -> None:
        """Raises `LogUnavailable`."""
        await _answer(self._redis.delete(*keys))

    async def aclose(self) -> None:
        for tail in self.tails.values():
            await tail.end()
        await self._redis.aclose()


async def _answer(asking: Any) -> Any:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asking
    except TimeoutError as exc:
        raise LogUnavailable(f"Redis did not answer within {TIMEOUT:g} s.") from exc
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, OSError) as exc:
        raise LogUnavailable(str(exc)) from exc
    except ResponseError as exc:
        if _FOR_NOW.search(str(exc)):
            raise LogUnavailable(str(exc)) from exc
        raise


def _entries(first: int, stored: Iterable[bytes]) -> list[StoredEntry]:
    return [StoredEntry.load(seq, each) for seq, each in enumerate(stored, first)]


def _wakeup(thread_id: uuid.UUID) -> str:
    return f"log.{thread_id}"
