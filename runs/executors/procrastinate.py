"""The executor of deployments with worker processes (`manage.py worker`): each run is a job in PostgreSQL."""

import asyncio

from runs.event_log import event_log
from runs.executors.jobs import defer_job
from runs.models import Run
from runs.signals import signals


class ProcrastinateExecutor:
    """What a server process does for runs that workers do: it hands them over. See `Executor`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, run: Run) -> None:
        """Save the run, and the job beside it: no process has the one without the other.

        Whoever calls this has locked the thread, or the jobs of its runs might be in another order than they are.
        """
        run.save(force_insert=True)
        defer_job(run.pk, run.thread_id)

    def wake(self) -> None:
        """PostgreSQL itself wakes the workers, with the commit."""

    def ensure_started(self) -> bool:
        """Send signals by the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return False
        self._loop = loop
        signals.start()
        return True

    async def stop(self) -> None:
        """Send no more signals, and close the event log. The runs go on elsewhere."""
        self._loop = None
        await signals.stop()
        await event_log().aclose()
