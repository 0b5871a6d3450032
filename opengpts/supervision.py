"""Work that a server process does beside its requests, taken from a queue that is a table of the database.

One task claims what waits and starts it; another says that this process still has what it is doing, and takes back
what dead processes had. Each runs in a fresh context, so that nothing of the request that asked for the work lives on
in it.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Generic, TypeVar

from django.conf import settings
from django.db.models import Model

logger = logging.getLogger(__name__)


# A row of the queue.
Work = TypeVar("Work", bound=Model)


class Supervisor(Generic[Work]):
    """Does the work of one queue as asyncio tasks, some at once. Subclasses say what the work is."""

    # What the work is called in logs.
    what: str

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake, self._ended = asyncio.Event(), asyncio.Event()
        self._doing: dict[uuid.UUID, asyncio.Future[None]] = {}
        self._supervision: list[asyncio.Task[None]] = []

    async def load(self) -> Callable[[Work], Awaitable[None]]:
        """What does a piece of work, to its end. Called once: what it imports may take long, in a thread."""
        raise NotImplementedError

    def capacity(self) -> int:
        """How many pieces may be done at once."""
        raise NotImplementedError

    async def claim(self) -> Work | None:
        """Take the next piece out of the queue; None where nothing waits."""
        raise NotImplementedError

    async def beat(self, doing: list[uuid.UUID]) -> tuple[set[uuid.UUID], int]:
        """Say that this process is `doing` these, and take back what others lost.

        Returns which of them are this process's no more, and how many were taken back.
        """
        raise NotImplementedError

    def ensure_started(self) -> bool:
        """Begin, on the running event loop. Doing it again changes nothing; returns whether it has begun just now."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return False
        self._loop = loop
        self._wake, self._ended = asyncio.Event(), asyncio.Event()
        self._doing = {}
        empty = contextvars.Context()
        self._supervision = [
            loop.create_task(self._claim_forever(), context=empty),
            loop.create_task(self._beat_forever(), context=empty),
        ]
        return True

    def wake(self) -> None:
        """Say that there is something new. May be called from any thread, and where nothing has been started."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def doing(self) -> list[uuid.UUID]:
        """What is being done here now."""
        return list(self._doing)

    def abandon(self, rows: Collection[uuid.UUID]) -> None:
        """Cancel the work on these, where it goes on here."""
        for pk in rows:
            if task := self._doing.get(pk):
                task.cancel()

    async def wait_for_end(self, timeout: float) -> None:  # noqa: ASYNC109 - that nothing ends is no error
        """Return when any piece of work has ended here, or after `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._ended.wait()

    async def stop(self) -> None:
        """Stop claiming and cancel what is being done: it goes back into the queue, and on when a server is there."""
        tasks = [*self._supervision, *self._doing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop = None

    async def _claim_forever(self) -> None:
        work: Callable[[Work], Awaitable[None]] | None = None
        while True:
            self._wake.clear()
            try:
                if work is None:
                    work = await self.load()
                while len(self._doing) < self.capacity() and (row := await self.claim()) is not None:
                    self._start(row, work)
            except Exception:  # whatever it is, everything that waits, waits for this loop
                logger.exception("%ss cannot be claimed; trying again", self.what)
            try:
                # The wake-up makes it quick; the timeout makes it sure. Python 3.11's `wait_for` loses a cancellation
                # that comes with a wake-up: `stop` would wait for this loop forever.
                async with asyncio.timeout(settings.RUN_HEARTBEAT):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _start(self, row: Work, work: Callable[[Work], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(work(row))
        self._doing[row.pk] = task
        task.add_done_callback(lambda done: self._end(row, done))

    def _end(self, row: Work, task: asyncio.Future[None]) -> None:
        self._doing.pop(row.pk, None)
        self._wake.set()
        # Whoever waits looks now; those who begin to wait later wait for the next.
        self._ended.set()
        self._ended = asyncio.Event()
        if not task.cancelled() and (exc := task.exception()):
            # The row still says that it is being done; when its heartbeat is stale it is taken up again.
            logger.error("%s %s could not be ended", self.what, row.pk, exc_info=exc)

    async def _beat_forever(self) -> None:
        while True:
            try:
                gone, taken_back = await self.beat(self.doing())
                self.abandon(gone)
                if taken_back:
                    self._wake.set()
            except Exception:
                logger.exception("the %ss' heartbeat failed; trying again", self.what)
            await asyncio.sleep(settings.RUN_HEARTBEAT)
