"""Looks at the clock beside the requests of a server process, where no worker processes do."""

import asyncio
import logging

from django.conf import settings
from django.utils import timezone

from opengpts.beside import BesideRequests
from opengpts.db import in_database_thread
from schedules.due import BATCH, run_due_schedules

logger = logging.getLogger(__name__)


class Ticker(BesideRequests):
    """Runs what is due every SCHEDULE_TICK seconds. Several processes may: what is due is run once."""

    def is_wanted(self) -> bool:
        # Where there are worker processes, they look instead: see `schedules.tasks`.
        return bool(settings.RUN_EXECUTOR == "inline")

    async def go_on(self) -> None:
        while True:
            try:
                # Batch by batch, so that what else needs the thread has its turn.
                while await in_database_thread(run_due_schedules, now=timezone.now()) >= BATCH:
                    continue
            except Exception:  # whatever it is, every schedule waits for this loop
                logger.exception("schedules cannot be run; trying again")
            await asyncio.sleep(settings.SCHEDULE_TICK)


ticker = Ticker()
