"""Looks at the clock beside the requests of a server process, where no worker processes do."""

import asyncio
import contextvars
import logging

from django.conf import settings
from django.utils import timezone

from opengpts.db import in_database_thread
from schedules.due import BATCH, run_due_schedules

logger = logging.getLogger(__name__)


class Ticker:
    """Runs what is due every SCHEDULE_TICK seconds. Several processes may: what is due is run once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def ensure_started(self) -> None:
        """Begin, on the running event loop. Doing it again changes nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        # Where there are worker processes, they look instead: see `schedules.tasks`.
        if settings.RUN_EXECUTOR == "inline":
            # In a fresh context, so that nothing of the request that came first lives on in it.
            self._task = loop.create_task(self._tick_forever(), context=contextvars.Context())

    async def stop(self) -> None:
        """Look no more. What has been begun in the database is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._loop = self._task = None

    async def _tick_forever(self) -> None:
        while True:
            try:
                # Batch by batch, so that what else needs the thread has its turn.
                while await in_database_thread(run_due_schedules, now=timezone.now()) >= BATCH:
                    continue
            except Exception:  # whatever it is, every schedule waits for this loop
                logger.exception("schedules cannot be run; trying again")
            await asyncio.sleep(settings.SCHEDULE_TICK)


ticker = Ticker()
