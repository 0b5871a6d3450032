"""What belongs to one event loop: a connection, a task or a lock works on the loop that it was made on only."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class PerLoop(Generic[Thing]):
    """One of something for each event loop, made when it is first asked for there."""

    def __init__(self, make: Callable[[], Thing]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, Thing] = {}

    def here(self) -> Thing:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            # What belonged to a loop that has closed is of no use to anybody.
            for closed in [other for other in self.everywhere() if other.is_closed()]:
                self._made.pop(closed, None)
            self._made[loop] = self._make()
        return self._made[loop]

    def pop(self) -> Thing | None:
        """Give up that of the running loop, and return it; None where none was made."""
        return self._made.pop(asyncio.get_running_loop(), None)

    def everywhere(self) -> dict[asyncio.AbstractEventLoop, Thing]:
        """All that there are, by loop: a copy, which any thread may read."""
        return dict(self._made)
