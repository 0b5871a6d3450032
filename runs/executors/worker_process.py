"""A worker process: takes jobs out of the queue, some at once on one event loop, until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Awaitable
from contextlib import suppress

from django.conf import settings
from procrastinate.contrib.django import app, connector_params
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker

from runs.executors.inline import Execute, close_execution, load_execution
from runs.executors.patience import PatientConnector
from runs.executors.runner import Runner
from runs.signals import signals
from runs.tasks import RUNNER

logger = logging.getLogger(__name__)

# Connections to the queue, beside those of Django; one more listens.
CONNECTIONS = 4
# Seconds between two looks for jobs, where no wake-up came.
POLL = 1.0
# Seconds between two tries to work, after an error that waiting does not mend, at first and at most.
RETRY, MAX_RETRY = 1.0, 30.0
# Seconds that a process which stops takes to put its runs back, at most.
PUT_BACK = 15.0


class WorkerProcess:
    """One worker. `run` is its life."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> bool:
        """Work until told to stop by SIGTERM or SIGINT, and return when that is done; whether it went well.

        The runs here have WORKER_DRAIN seconds to end, or until a second signal comes; then they are put back.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told)
        execute = await self._unless_stopping(self._load())
        if execute is None:
            return True
        runner = Runner(execute)
        signals.listen(runner.look)
        beating = asyncio.ensure_future(runner.beat_forever())
        working = asyncio.ensure_future(self._work_forever(runner))
        logger.info("This worker does %d runs at once.", settings.RUN_CONCURRENCY)
        try:
            await self._stopping.wait()
            return await self._drain(runner, working)
        finally:
            for task in (beating, working):
                task.cancel()
            await signals.stop()
            await close_execution()

    def _told(self) -> None:
        (self._hurry if self._stopping.is_set() else self._stopping).set()

    async def _load(self) -> Execute:
        retry = RETRY
        while True:
            try:
                return await load_execution()
            except Exception:
                logger.exception("this worker cannot begin; trying again")
            await asyncio.sleep(retry)
            retry = min(retry * 2, MAX_RETRY)

    async def _work_forever(self, runner: Runner) -> None:
        retry = RETRY
        while not self._stopping.is_set():
            try:
                await self._work(runner)
                retry = RETRY
            except Exception:
                logger.exception("the queue of runs cannot be served; trying again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), retry)
            retry = min(retry * 2, MAX_RETRY)

    async def _work(self, runner: Runner) -> None:
        """Procrastinate's worker, until it stops: it is told to, or fails."""
        connector = PatientConnector(kwargs=connector_params(), min_size=1, max_size=CONNECTIONS)
        with app.replace_connector(connector):
            try:
                await app.open_async()
                self._worker = Worker(
                    app,
                    concurrency=settings.RUN_CONCURRENCY,
                    fetch_job_polling_interval=min(POLL, settings.RUN_HEARTBEAT),
                    # Runs are stopped by their rows; of jobs that are aborted by hand there is no hurry.
                    abort_job_polling_interval=settings.RUN_LOST_AFTER,
                    # Where it fails the runs go on, and their jobs find them again.
                    shutdown_graceful_timeout=0,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    install_signal_handlers=False,
                    update_heartbeat_interval=settings.RUN_HEARTBEAT,
                    stalled_worker_timeout=settings.RUN_LOST_AFTER,
                    additional_context={RUNNER: runner},
                    # Those that give Django's connections back.
                    task_middleware=(app.worker_defaults or {}).get("task_middleware"),
                )
                if not self._stopping.is_set():
                    await self._worker.run()
            finally:
                self._worker = None
                await connector.close_async()

    async def _drain(self, runner: Runner, working: "asyncio.Future[None]") -> bool:
        logger.info("This worker stops, and begins no more runs.")
        runner.close()
        if self._worker is not None:
            # Jobs here end when their runs do.
            self._worker.shutdown_graceful_timeout = None
            self._worker.stop()
        ended, hurry = asyncio.ensure_future(runner.wait()), asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait({ended, hurry}, timeout=settings.WORKER_DRAIN, return_when=asyncio.FIRST_COMPLETED)
            runner.put_back()
            await asyncio.wait({ended, working}, timeout=PUT_BACK)
        finally:
            ended.cancel()
            hurry.cancel()
        if not (ended.done() and working.done()):
            logger.error("Some runs could not be put back. Other workers notice within RUN_LOST_AFTER seconds.")
        return working.done()

    async def _unless_stopping(self, work: "Awaitable[Execute]") -> Execute | None:
        loading, told = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({loading, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if loading.done():
            return loading.result()
        loading.cancel()
        return None
