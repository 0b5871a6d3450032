"""What a worker process does with runs: it does those whose jobs it is given, and says that it does."""

import asyncio
import contextvars
import logging
import time
import uuid
from collections.abc import Collection

from django.conf import settings
from django.db import InterfaceError, OperationalError

from agents.graphs import expire
from opengpts.db import in_database_thread
from opengpts.outage import Outage
from runs.claiming import find_stopped
from runs.event_log import event_log
from runs.executors.inline import Execute
from runs.executors.recovery import recover_runs, say_alive
from runs.executors.turns import let_go, take_run
from runs.models import Run
from runs.signals import signals

logger = logging.getLogger(__name__)


class Runner:
    """The runs that go on in this process. They go on also while the queue that their jobs came from is away."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._doing: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._closed = False
        # One at a time: those of one owner that look at the same moment would all find room for one more.
        self._taking = asyncio.Lock()
        self._outage = Outage(
            logger,
            begun="This worker cannot say that it still does its runs",
            over="This worker says again that it does its runs",
        )
        self._beaten_at: float | None = None

    async def do(self, run_id: uuid.UUID) -> float | None:
        """Do a run, to the end of this attempt. Returns seconds after which its job is to come again, or None.

        One that goes on here already is waited for.
        """
        task = self._doing.get(run_id)
        if task is None:
            if self._closed:
                return 0.0
            # What was claimed is begun, whatever becomes of the job meanwhile.
            taken = await asyncio.shield(asyncio.ensure_future(self._take(run_id)))
            if not isinstance(taken, asyncio.Task):
                return taken
            task = taken
        # Nor does the run end because the job does.
        await asyncio.wait({task})
        return await in_database_thread(let_go, run_id)

    def close(self) -> None:
        """Begin no more runs: their jobs are for others."""
        self._closed = True

    async def wait(self) -> None:
        """Return when no run goes on here."""
        while self._doing:
            await asyncio.wait(self._doing.values())

    def put_back(self) -> None:
        """Break off the runs that go on here. They wait for other workers then."""
        self._abandon(list(self._doing))

    async def look(self) -> None:
        """Stop at once those of the runs here that are to be stopped."""
        self._abandon(await in_database_thread(find_stopped, running=list(self._doing)))

    async def beat_forever(self) -> None:
        """Every RUN_HEARTBEAT, say which runs go on here, and take up what others have lost."""
        while True:
            try:
                await self._beat()
                self._outage.over()
            except (InterfaceError, OperationalError) as exc:
                self._outage.met(exc)
            except Exception:
                logger.exception("the runs' heartbeat failed; trying again")
            await asyncio.sleep(settings.RUN_HEARTBEAT)

    async def _take(self, run_id: uuid.UUID) -> "asyncio.Task[None] | float | None":
        async with self._taking:
            taken = await in_database_thread(take_run, run_id)
        if not isinstance(taken, Run):
            return taken
        # In a context of its own: nothing of the job lives on in it.
        doing = self._execute(taken, event_log())
        task = asyncio.get_running_loop().create_task(doing, context=contextvars.Context())
        self._doing[run_id] = task
        task.add_done_callback(lambda done: self._end(run_id, done))
        return task

    def _end(self, run_id: uuid.UUID, task: "asyncio.Task[None]") -> None:
        self._doing.pop(run_id, None)
        if not task.cancelled() and (exc := task.exception()):
            # The row still says that it is being done; when its heartbeat is stale it is taken up again.
            logger.error("run %s could not be ended", run_id, exc_info=exc)

    def _abandon(self, run_ids: Collection[uuid.UUID]) -> None:
        for run_id in run_ids:
            if task := self._doing.get(run_id):
                task.cancel()

    async def _beat(self) -> None:
        event_log().expire()
        expire()
        await in_database_thread(say_alive, running=list(self._doing))
        await self.look()
        last, self._beaten_at = self._beaten_at, time.monotonic()
        if last is None or self._beaten_at - last > 2 * settings.RUN_HEARTBEAT + 1:
            # Whoever could not speak for a while does not judge others: PostgreSQL may have been away for all.
            return
        for lost in await in_database_thread(recover_runs, running=list(self._doing)):
            logger.error("run %s was given up: its processes died", lost.run_id)
            signals.lost(lost.thread_id, lost.run_id, floor=lost.floor)
