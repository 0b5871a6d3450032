"""Database work from async code.

Django's async ORM runs every query of a consumer, and of everything spawned from it, one after the
other on one shared thread. Work that belongs to no request (a run, a stream) goes through this
bounded pool of threads instead, each with a connection of its own.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

# Seconds. What has not been used for longer may have been cut off on the way; a new connection is made instead.
IDLE = 30.0

_thread = threading.local()
_threads = ThreadPoolExecutor(max_workers=settings.DATABASE_THREADS, thread_name_prefix="database")


async def in_database_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` on a database thread and return what it returns, or raise what it raises.

    Cancelling the caller does not undo the call: a write that has begun is finished.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(_call, function, *args, **kwargs))


def _call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    now = time.monotonic()
    if now - getattr(_thread, "used_at", now) > IDLE:
        connections.close_all()
    try:
        return function(*args, **kwargs)
    finally:
        _thread.used_at = time.monotonic()
        for connection in connections.all(initialized_only=True):
            # These threads are few and last, so each keeps its connection: taking one from the pool and giving it
            # back costs more than most of these calls. One that an error has broken is closed.
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()
