"""Bringing a user's runs to an end before they are deleted."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from opengpts.worker import is_dead
from runs import wakeups
from runs.cancellation import cancel_unfinished
from runs.event_log import event_log
from runs.models import CancelAction, Run, RunQuerySet, RunStatus
from runs.signals import RUNS

# Seconds between two looks whether the runs have ended.
POLL = 0.2


def end_runs(*, user: User, wait: float, cancelled: Callable[[], None] | None = None) -> int:
    """Cancel a user's runs, and give the processes that do them `wait` seconds to stop. Returns how many there were.

    `cancelled` is called when all have been asked to. What goes on after the wait is taken from its process, which can
    save nothing more of it then.
    """
    runs = Run.objects.unfinished().filter(Q(owner=user) | Q(thread__owner=user))
    number = runs.count()
    for thread_id in set(runs.values_list("thread_id", flat=True)):
        cancel_unfinished(thread_id, runs.filter(thread=thread_id), action=CancelAction.INTERRUPT)
    if number and cancelled is not None:
        cancelled()
    deadline = time.monotonic() + wait
    while _goes_on(runs) and time.monotonic() < deadline:
        time.sleep(POLL)
    # Whoever has one of these asks in each transaction whether it is still running: see `runs.ending.writer_of`.
    runs.update(status=RunStatus.CANCELLED, worker="", finished_at=timezone.now())
    return number


def wake_processes() -> None:
    """Have the processes that do runs look at once which of theirs are to be stopped. For commands."""
    if settings.REDIS_URL:
        asyncio.run(_wake())


def forget_events(thread_ids: Sequence[uuid.UUID]) -> None:
    """Forget the events of threads that were deleted, where they are in Redis. For commands.

    While Redis is away they stay there for EVENT_LOG_TTL seconds; so do those in the memory of a server without Redis.
    """
    if settings.REDIS_URL:
        asyncio.run(_forget(thread_ids))


def _goes_on(runs: RunQuerySet) -> bool:
    """Whether any of these has a process that may still be there to end it."""
    workers = runs.filter(status=RunStatus.RUNNING).values_list("worker", flat=True).distinct()
    return any(not is_dead(worker) for worker in workers)


async def _wake() -> None:
    await wakeups.wake(RUNS)
    await wakeups.aclose()


async def _forget(thread_ids: Sequence[uuid.UUID]) -> None:
    await asyncio.gather(*(event_log().forget(thread_id) for thread_id in thread_ids))
    await wakeups.aclose()
    await event_log().aclose()
