"""The inline executor: runs as asyncio tasks of the server process.

The queue is the table of runs; this only watches it. One task claims what is pending and starts it, in a fresh
context, so that nothing of the request that asked for a run lives on in the run.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import Awaitable, Callable

from django.conf import settings

from agents.graphs import aclose as close_models
from agents.graphs import warm_up
from opengpts.db import in_database_thread
from runs.event_log import MemoryEventLog, event_log
from runs.models import Run
from runs.services import claim_run, find_vanished, keep_alive, recover_lost_runs

logger = logging.getLogger(__name__)

Execute = Callable[[Run, MemoryEventLog], Awaitable[None]]


def _load() -> Execute:
    # Imports LangChain, which takes over a second: not with this module, but in a thread when a server starts.
    from runs.execution import execute

    warm_up()
    return execute


class InlineExecutor:
    """Runs what this process's clients asked for, and what dead processes left behind."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._running: dict[uuid.UUID, asyncio.Future[None]] = {}
        self._supervision: list[asyncio.Task[None]] = []

    def ensure_started(self) -> None:
        """Begin, on the running event loop. Doing it again changes nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        self._wake = asyncio.Event()
        self._running = {}
        empty = contextvars.Context()
        self._supervision = [
            loop.create_task(self._claim_forever(), context=empty),
            loop.create_task(self._beat_forever(), context=empty),
        ]

    def wake(self) -> None:
        """Say that there is a new run. May be called from any thread, and where no executor has been started."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def stop(self) -> None:
        """Stop claiming and cancel what runs: it goes back into the queue, and on when a server starts again."""
        tasks = [*self._supervision, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop = None
        await close_models()

    async def _claim_forever(self) -> None:
        execute: Execute | None = None
        while True:
            self._wake.clear()
            try:
                if execute is None:
                    execute = await asyncio.to_thread(_load)
                while len(self._running) < settings.RUN_CONCURRENCY and (run := await in_database_thread(claim_run)):
                    self._start(run, execute)
            except Exception:  # whatever it is, the runs of this process wait for this loop
                logger.exception("runs cannot be claimed; trying again")
            try:
                # The wake-up makes it quick; the timeout makes it sure.
                await asyncio.wait_for(self._wake.wait(), timeout=settings.RUN_HEARTBEAT)
            except TimeoutError:
                continue

    def _start(self, run: Run, execute: Execute) -> None:
        task = asyncio.ensure_future(execute(run, event_log))
        self._running[run.pk] = task
        task.add_done_callback(lambda done: self._ended(run, done))

    def _ended(self, run: Run, task: asyncio.Future[None]) -> None:
        self._running.pop(run.pk, None)
        self._wake.set()
        if not task.cancelled() and (exc := task.exception()):
            # The row still says running; when its heartbeat is stale it is taken up again.
            logger.error("run %s could not be ended", run.pk, exc_info=exc)

    async def _beat_forever(self) -> None:
        while True:
            try:
                await in_database_thread(keep_alive, running=list(self._running))
                if await in_database_thread(recover_lost_runs, running=list(self._running)):
                    self._wake.set()
                for run_id in await in_database_thread(find_vanished, running=list(self._running)):
                    if task := self._running.get(run_id):
                        task.cancel()
            except Exception:
                logger.exception("the runs' heartbeat failed; trying again")
            event_log.expire()
            await asyncio.sleep(settings.RUN_HEARTBEAT)


executor = InlineExecutor()
