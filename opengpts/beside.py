"""What goes on in a server process beside its requests, for as long as it serves."""

import asyncio
import contextvars


class BesideRequests:
    """One task of a process that does not end by itself. Subclasses say what it does."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def is_wanted(self) -> bool:
        """Whether this process is to do it at all."""
        return True

    async def go_on(self) -> None:
        """Do it, until it is cancelled."""
        raise NotImplementedError

    def ensure_started(self) -> None:
        """Begin, on the running event loop. Doing it again changes nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        if self.is_wanted():
            # In a fresh context, so that nothing of the request that came first lives on in it.
            self._task = loop.create_task(self.go_on(), context=contextvars.Context())

    async def stop(self) -> None:
        """Do it no more. What has been begun in the database is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._loop = self._task = None
