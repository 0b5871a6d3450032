"""A worker process (`manage.py worker`), for tests that stop, suspend and kill it."""

import signal
import sys
from collections.abc import Callable, Mapping

import psycopg

from tests.live_server import ROOT
from tests.services import STOP_TIMEOUT, Service


class LiveWorker(Service):
    """Does the runs of the `LiveServer` whose environment this is. `wait`: until it takes jobs, at the start."""

    def __init__(self, environment: Mapping[str, str], *, wait: bool = True, **settings: str) -> None:
        super().__init__("worker")
        self.environment = {**environment, **settings}
        try:
            self.restart() if wait else self._begin(lambda: True)
        except BaseException:
            self.stop()
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal, and do not wait for what becomes of it."""
        if self._process is None:
            raise RuntimeError("the worker was not started")
        self._process.send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """The exit code, when the process has ended by itself. Raises `subprocess.TimeoutExpired`."""
        if self._process is None:
            raise RuntimeError("the worker was not started")
        return self._process.wait(timeout=timeout)

    def kill(self) -> None:
        """End the process as a power cut would: SIGKILL, with no time to clean up."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # One that was suspended hears nothing else.
            self._process.send_signal(signal.SIGCONT)
        super().stop()

    def restart(self) -> None:
        """Start the worker, after ending it if it still runs, and wait until it takes jobs."""
        self.end()
        before = self._registered()
        self._begin(lambda: bool(self._registered() - before))

    def _begin(self, ready: Callable[[], bool]) -> None:
        self.start([sys.executable, "manage.py", "worker"], ready, cwd=ROOT, env=self.environment)

    def _registered(self) -> set[int]:
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as database:
            return {number for (number,) in database.execute("SELECT id FROM procrastinate_workers")}
