"""The inline executor: runs as asyncio tasks of the server process. The queue is the table of runs."""

import asyncio
import gc
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from django.conf import settings
from django.utils import timezone

from agents.errors import ModelUnavailable
from agents.graphs import aclose as close_models
from agents.graphs import expire, warm_up
from agents.language_models.catalogue import resolve
from agents.language_models.model_entry import ModelEntry
from opengpts.db import in_database_thread
from opengpts.supervision import Supervisor
from opengpts.worker import worker_id
from runs import wakeups
from runs.claiming import claim_run, find_stopped, keep_alive, recover_lost_runs
from runs.event_log import EventLog, event_log
from runs.executors.adoption import adopt_runs
from runs.models import Run
from runs.signals import RUNS, signals

logger = logging.getLogger(__name__)

# Of the generations of Python's garbage collector, in a process that does runs.
GC_THRESHOLDS = (20_000, 20, 20)

Execute = Callable[[Run, EventLog], Coroutine[Any, Any, None]]


class InlineExecutor(Supervisor[Run]):
    """Runs what this process's clients asked for, and what dead processes left behind. See `Executor`."""

    what = "run"

    def submit(self, run: Run) -> None:
        run.worker, run.heartbeat_at = worker_id(), timezone.now()
        run.save(force_insert=True)

    def ensure_started(self) -> bool:
        if begun := super().ensure_started():
            signals.listen(self.look)
        return begun

    async def load(self) -> Callable[[Run], Awaitable[None]]:
        execute = await load_execution()

        async def do(run: Run) -> None:
            try:
                await execute(run, event_log())
            finally:
                # The next run of its thread, or of its owner, may be another process's.
                wakeups.wake_soon(RUNS, here=False)

        return do

    def capacity(self) -> int:
        return int(settings.RUN_CONCURRENCY)

    async def claim(self) -> Run | None:
        return await in_database_thread(claim_run)

    async def beat(self, doing: list[uuid.UUID]) -> tuple[set[uuid.UUID], int]:
        event_log().expire()
        expire()
        await in_database_thread(keep_alive, running=doing)
        taken_back = await in_database_thread(recover_lost_runs, running=doing)
        taken_back += await in_database_thread(adopt_runs)
        return await in_database_thread(find_stopped, running=doing), taken_back

    async def look(self) -> None:
        """See at once which of the runs here are to be stopped, and what else there is to do."""
        self.abandon(await in_database_thread(find_stopped, running=self.doing()))
        self.wake()

    async def stop(self) -> None:
        """As for every supervisor; then the connections to models, and the event log, are closed."""
        await super().stop()
        await signals.stop()
        await close_execution()


async def load_execution() -> Execute:
    """What does a run. Imports LangChain, which takes over a second: in a thread, when a process has started."""
    entry = None
    try:
        entry = await in_database_thread(resolve, None)
    except ModelUnavailable as exc:
        logger.warning("%s Until then, runs that name no model fail.", exc.message)
    return await asyncio.to_thread(_import, entry)


async def close_execution() -> None:
    """Close what runs hold of this event loop."""
    await close_models()
    await event_log().aclose()


def _import(default: ModelEntry | None) -> Execute:
    from runs.execution import execute

    warm_up(default)
    # What has been made until now stays. Looking through it, and through the young so often, took a tenth of the time
    # that runs took.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return execute
