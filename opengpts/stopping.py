"""Whether the server has been told to stop, so that what would go on for long can end itself properly.

A web server waits for open responses before it says that it stops (the lifespan protocol comes last). A stream
that waited for that in turn would be cut off.
"""

import asyncio
import signal
from types import FrameType
from typing import Any

_told: asyncio.Event | None = None


def watch_signals() -> None:
    """From now on, notice the signals that stop the server, and pass them on. For the main thread's event loop."""
    global _told
    loop = asyncio.get_running_loop()
    _told = told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, _announcing(loop, told, before))


def _announcing(loop: asyncio.AbstractEventLoop, told: asyncio.Event, handler: Any) -> Any:
    def announce(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(told.set)
        handler(number, frame)

    return announce


async def told_to_stop() -> None:
    """Return when the server has been told to stop; never where nobody watches the signals."""
    await (_told or asyncio.Event()).wait()
