"""Keeps the local model's process alive: the part of the one process that owns it."""

import contextlib
import dataclasses
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from agents.language_models.local_model.child import Child, is_healthy

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class State:
    """How the local model is, as its owner tells the other processes.

    `url` and `child` (a process id) are there while it can answer; `retry_at` (Unix time) after it died, until it is
    started again; none of them while it starts.
    """

    owner: int
    url: str | None = None
    child: int | None = None
    retry_at: float | None = None

    def write(self, path: Path) -> None:
        """Replace the file at `path`, in one step. Raises OSError."""
        new = path.with_suffix(f".{self.owner}")
        new.write_text(json.dumps(dataclasses.asdict(self)))
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> "State | None":
        """The state in the file at `path`; None when there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


@dataclasses.dataclass(frozen=True)
class Policy:
    """How patient a keeper is. All in seconds, but `health_misses`."""

    start_timeout: float = 60.0
    health_interval: float = 10.0
    health_timeout: float = 5.0
    health_misses: int = 3
    first_delay: float = 0.5
    longest_delay: float = 60.0
    healthy_after: float = 30.0

    def delay(self, failures: int) -> float:
        """How long to wait before the next start: not at all after the first failure in a row, then ever longer."""
        if failures <= 1:
            return 0.0
        return min(self.longest_delay, self.first_delay * 2.0 ** min(failures - 2, 32))


class Keeper:
    """Starts the process, asks after its health, and starts it again when it dies, in a thread of its own.

    `lock` is the open, locked file that makes this process the owner; the keeper closes it when it ends. `log`
    takes what the process writes to standard error.
    """

    def __init__(self, *, command: Sequence[str], lock: FileIO, state: Path, log: Path, policy: Policy) -> None:
        self._command = command
        self._lock = lock
        self._state_path = state
        self._log = log
        self._policy = policy
        self._child: Child | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local-model-keeper", daemon=True)
        self.state = State(os.getpid())
        # Over whatever an owner that is gone has left there.
        self._tell(self.state)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False once it has been stopped and let go of the lock."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the process and this keeper, and wait until both have: some milliseconds, or seconds if it hangs."""
        self._stopping.set()
        if self._child:
            self._child.ask_to_end()
            self._thread.join(2.0)
            self._child.kill()
        self._thread.join()

    def forget(self) -> None:
        """Let go of everything in a forked copy of the owner, where the thread does not run."""
        self._lock.close()
        if self._child:
            self._child.forget()

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                lived = self._run_child()
                if self._stopping.is_set():
                    return
                failures = 1 if lived >= self._policy.healthy_after else failures + 1
                delay = self._policy.delay(failures)
                logger.warning("the local model's process ended; starting it again in %.1f s", delay)
                self._tell(State(os.getpid(), retry_at=time.time() + delay))
                self._stopping.wait(delay)
        finally:
            with contextlib.suppress(OSError):
                self._state_path.unlink()
            self._lock.close()

    def _run_child(self) -> float:
        """Start the process and stay with it until it ends or hangs. Returns for how many seconds it was well."""
        self._tell(State(os.getpid()))
        try:
            child = self._child = Child(self._command, self._log)
        except OSError:
            logger.exception("the local model's process could not be started")
            return 0.0
        try:
            # `stop` may have come before there was a child to ask.
            url = None if self._stopping.is_set() else child.wait_for_url(self._policy.start_timeout)
            if url is None or not is_healthy(url, timeout=self._policy.health_timeout):
                if not self._stopping.is_set():
                    logger.error("the local model did not start: %s", child.last_words())
                return 0.0
            started = time.monotonic()
            logger.info("the local model answers at %s", url)
            self._tell(State(os.getpid(), url=url, child=child.pid))
            self._stay_with(child, url)
            return time.monotonic() - started
        finally:
            self._tell(State(os.getpid()))
            child.end()

    def _stay_with(self, child: Child, url: str) -> None:
        misses = 0
        while misses < self._policy.health_misses:
            if child.wait_for_end(self._policy.health_interval):
                return
            misses = 0 if is_healthy(url, timeout=self._policy.health_timeout) else misses + 1
        logger.error("the local model does not answer any more: ending its process")

    def _tell(self, state: State) -> None:
        self.state = state
        try:
            state.write(self._state_path)
        except OSError:
            # This process has it in memory. The others wait for it, and say so when they have waited long enough.
            logger.exception("the local model's state could not be written")
