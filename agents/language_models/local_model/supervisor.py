"""Finds the one process of the local model on this machine, or becomes the process that starts it and keeps it."""

import asyncio
import atexit
import fcntl
import os
import socket
import threading
import time
import weakref
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from agents.errors import ModelUnavailable
from agents.language_models.local_model.child import is_healthy
from agents.language_models.local_model.keeper import Keeper, Policy, State

_POLL = 0.03  # seconds
# Seconds that a caller waits for the next start of a model that keeps dying, rather than being told so.
_PATIENCE = 3.0
_NOT_STARTED = "The local model did not start in time. Try again, or choose another model."
_KEEPS_DYING = "The local model keeps ending. It is started again in {:.0f} s; the server's log says more."
_NO_DIRECTORY = "The local model cannot start: its directory cannot be written. The server's log says more."

_all: "weakref.WeakSet[Supervisor]" = weakref.WeakSet()


class Supervisor:
    """The way to the local model's process for everyone in this process: any thread, any event loop.

    Who holds the lock on a file in `directory` owns the model's process, and the kernel gives the lock back when the
    owner dies, as it ends the model then. So who can take the lock starts a process, and who cannot believes the
    state file beside it. Names carry the host's: a directory may be shared by containers, a loopback port is not.
    """

    def __init__(self, directory: Path, command: Sequence[str], *, policy: Policy | None = None) -> None:
        """`command` starts the process, as `Child` wants it. Nothing is started here."""
        self._directory = directory
        self._command = command
        self._policy = policy or Policy()
        self._mutex = threading.Lock()
        self._keeper: Keeper | None = None
        _all.add(self)

    def url(self, *, failed: str | None = None) -> str:
        """Where the model answers. Starts it if it does not run, and waits until it does.

        `failed` is an answer of before at which no connection could be made: it is given again only if it is well.
        Raises `ModelUnavailable` when the model does not start in time or keeps ending.
        """
        deadline = self._deadline()
        while True:
            url = self._look(deadline)
            if url and (url != failed or is_healthy(url)):
                return url
            time.sleep(_POLL)

    async def aurl(self, *, failed: str | None = None) -> str:
        """`url`, without blocking the event loop."""
        deadline = self._deadline()
        while True:
            url = self._look(deadline)
            if url and (url != failed or await asyncio.to_thread(is_healthy, url)):
                return url
            await asyncio.sleep(_POLL)

    def state(self) -> State | None:
        """How the model is now, without starting it; None when no process of this machine runs it."""
        keeper = self._keeper
        if keeper and keeper.is_alive:
            return keeper.state
        if not self._directory.exists():
            return None
        if (lock := self._take_lock()) is not None:
            lock.close()
            return None
        return State.read(self._path("json"))

    def stop(self) -> None:
        """End the model's process if this process owns it. Blocks until it has ended. A later use starts it again."""
        with self._mutex:
            keeper, self._keeper = self._keeper, None
        if keeper:
            atexit.unregister(self.stop)
            keeper.stop()

    def _look(self, deadline: float) -> str | None:
        """Where the model answers, or None while it starts. Never waits: microseconds, or a thread's start."""
        try:
            state = self._own_or_read()
        except OSError as exc:
            raise ModelUnavailable(_NO_DIRECTORY) from exc
        if state and state.retry_at and (left := state.retry_at - time.time()) > _PATIENCE:
            raise ModelUnavailable(_KEEPS_DYING.format(left))
        if time.monotonic() > deadline:
            raise ModelUnavailable(_NOT_STARTED)
        return state.url if state else None

    def _own_or_read(self) -> State | None:
        with self._mutex:
            if self._keeper and self._keeper.is_alive:
                return self._keeper.state
            self._directory.mkdir(parents=True, exist_ok=True)
            if (lock := self._take_lock()) is None:
                return State.read(self._path("json"))
            self._keeper = Keeper(
                command=self._command,
                lock=lock,
                state=self._path("json"),
                log=self._path("log"),
                policy=self._policy,
            )
            atexit.register(self.stop)
            return self._keeper.state

    def _take_lock(self) -> FileIO | None:
        """The locked file, or None while another process, or another supervisor of this one, has it."""
        file = FileIO(os.open(self._path("lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def _path(self, suffix: str) -> Path:
        return self._directory / f"{socket.gethostname()}.{suffix}"

    def _deadline(self) -> float:
        return time.monotonic() + self._policy.start_timeout

    def _forget(self) -> None:
        """Start afresh in a forked copy: the model belongs to the original, and must not outlive it."""
        self._mutex = threading.Lock()
        keeper, self._keeper = self._keeper, None
        if keeper:
            atexit.unregister(self.stop)
            keeper.forget()


def _forget_all() -> None:
    for supervisor in list(_all):
        supervisor._forget()


os.register_at_fork(after_in_child=_forget_all)
