"""What services have decided, told to those whom it concerns: the processes that do runs, and those who watch them.

Hints all of them: a process that dies before it has told leaves it to the heartbeats to find out.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from opengpts.errors import OpenGPTsError
from runs import wakeups
from runs.errors import CANCELLED, GIVEN_UP
from runs.event_log import LogUnavailable, event_log

logger = logging.getLogger(__name__)

# The name of the wake-up for all that do runs.
RUNS = "runs"


class Signals:
    """Sends signals from any thread, by the event loop of the server; nothing happens in a process without one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Send by the running event loop from now on."""
        self._loop = asyncio.get_running_loop()

    def listen(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call `look` on the running event loop whenever a process says that runs have changed."""
        self.start()
        self._begin(self._listen(look))

    async def stop(self) -> None:
        """End what was begun on the running event loop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._loop = None
        await wakeups.aclose()

    def runs_changed(self) -> None:
        """Some of the runs that go on are to be stopped, or that one of them has ended lets another begin."""
        self._soon(lambda: self._begin(wakeups.wake(RUNS)))

    def cancelled(self, thread_id: uuid.UUID, run_ids: Sequence[uuid.UUID], *, floor: int) -> None:
        """These runs were cancelled while they waited: nobody else will tell those who watch them.

        `floor` is that of `EventLog.append`.
        """
        self._soon(lambda: self._begin(_announce(thread_id, run_ids, floor, CANCELLED)))

    def lost(self, thread_id: uuid.UUID, run_id: uuid.UUID, *, floor: int) -> None:
        """This run was given up because its processes died. As `cancelled`."""
        self._soon(lambda: self._begin(_announce(thread_id, [run_id], floor, GIVEN_UP)))

    def thread_deleted(self, thread_id: uuid.UUID) -> None:
        """What its log holds is to be forgotten, and runs of it that go on are to be stopped."""
        self._soon(lambda: self._begin(event_log().forget(thread_id)))
        self.runs_changed()

    async def _listen(self, look: Callable[[], Awaitable[None]]) -> None:
        async with wakeups.on(RUNS) as changed:
            while True:
                await changed.wait()
                changed.clear()
                try:
                    await look()
                except Exception:  # the next one, or the heartbeat, does what this one could not
                    logger.exception("runs cannot be looked at")

    def _soon(self, action: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(action)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        # In a context of its own: nothing of the request that asked for it lives on in it.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _announce(thread_id: uuid.UUID, run_ids: Sequence[uuid.UUID], floor: int, error: OpenGPTsError) -> None:
    for run_id in run_ids:
        about = {"run_id": str(run_id), "error": error.message, "code": error.code}
        try:
            await event_log().append(thread_id, run_id, [("lifecycle", {"event": "failed", **about})], floor=floor)
        except LogUnavailable as exc:
            logger.warning("those who watch run %s cannot be told that it has ended: %s", run_id, exc)


signals = Signals()
