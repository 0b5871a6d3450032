"""The newest entries of a thread's log, which all its readers on an event loop share.

Readers far behind read from Redis for themselves. Those who have caught up wait here, and whatever is new is asked for
once, however many they are.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice

from runs import wakeups
from runs.event_log.entries import BATCH
from runs.event_log.stored import Page, StoredEntry

# Seconds after which what is new is looked for without a wake-up: soon after something came, and when nothing does.
POLL = 1.0
POLL_WHEN_QUIET = 5.0


class Tail:
    """See the module. It begins to follow the log when the first reader has caught up."""

    def __init__(self, wakeup: str, page: Callable[[int], Awaitable[Page]]) -> None:
        """`wakeup` is what the log's readers are woken by; `page` asks for entries after a number, until it can."""
        self.readers = 0
        # Goes up with each change.
        self.version = 0
        self._wakeup, self._page = wakeup, page
        self._entries: deque[StoredEntry] = deque(maxlen=BATCH)  # without gaps, `_last` is the newest of them
        self._last = 0
        self._born = b""
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def broken(self) -> bool:
        """Whether it has stopped following because of a fault: the readers are told, and later ones need another."""
        return self._following is not None and self._following.done()

    def begin(self, page: Page) -> None:
        """A reader has caught up with the log, by this page. If the log is another than before, that is forgotten."""
        if self._following is None or page.born != self._born:
            self._restart(page.born, page.last)
            self._entries.extend(page.entries)
        if self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow(), context=contextvars.Context())
            self._following.add_done_callback(lambda _: self._change())

    def newer(self, after: int) -> list[StoredEntry] | None:
        """What came after that number; None where only the log itself can tell."""
        if self._last <= after:
            return []
        if not self._entries or self._entries[0].seq > after + 1:
            return None
        start = after + 1 - self._entries[0].seq
        return list(islice(self._entries, start, None))

    def feed(self, born: bytes, entries: Sequence[StoredEntry]) -> bool:
        """Take what was added to the log from here, if it is what comes next. Returns whether it is."""
        if self._following is None or born != self._born or entries[0].seq != self._last + 1:
            return False
        self._extend(entries)
        return True

    async def change(self) -> None:
        """Wait for the next change. Raises RuntimeError when there will be none."""
        self._changed.clear()
        await self._changed.wait()
        if self._following is not None and self._following.done():
            cause = None if self._following.cancelled() else self._following.exception()
            raise RuntimeError("The event log is followed no more.") from cause

    async def end(self) -> None:
        """Follow the log no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        async with wakeups.on(self._wakeup) as woken:
            poll = POLL
            while True:
                woken.clear()
                after, version = self._last, self.version
                more = self._take(await self._page(after), after)
                poll = POLL if self.version != version else min(poll * 1.5, POLL_WHEN_QUIET)
                if not more:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(poll * random.uniform(0.8, 1.2)):  # nosec B311  # spreads polls, keeps no secret
                            await woken.wait()

    def _take(self, page: Page, after: int) -> bool:
        """Take what the log answered. Returns whether it should be asked again at once."""
        if page.born != self._born:
            self._restart(page.born, 0)
            return bool(page.born)
        if page.last < after:
            # The log knows less than it did: Redis went back to a backup.
            self._restart(page.born, page.last)
            return False
        # Meanwhile some may have been taken from who added them.
        if entries := [entry for entry in page.entries if entry.seq > self._last]:
            self._extend(entries)
        return len(page.entries) == BATCH

    def _extend(self, entries: Sequence[StoredEntry]) -> None:
        if entries[0].seq != self._last + 1:
            self._entries.clear()
        self._entries.extend(entries)
        self._last = entries[-1].seq
        self._change()

    def _restart(self, born: bytes, last: int) -> None:
        self._entries.clear()
        self._born, self._last = born, last
        self._change()

    def _change(self) -> None:
        self.version += 1
        self._changed.set()
