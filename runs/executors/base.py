"""What the rest of the server asks of an executor of runs."""

from typing import Protocol

from runs.models import Run


class Executor(Protocol):
    """Sees to it that runs are done, here or elsewhere."""

    def submit(self, run: Run) -> None:
        """Save a new pending run, in the transaction of the caller: it is done if and only if that is committed."""

    def wake(self) -> None:
        """Say that there may be something new to do. Any thread may call this, and before the start too."""

    def ensure_started(self) -> bool:
        """Begin what this server process does for it, on the running event loop. Doing it again changes nothing.

        Returns whether it has begun just now.
        """

    async def stop(self) -> None:
        """End what this process does for it. Runs that go on here go back into the queue."""
