"""What a server process does now and then so that what was deleted is gone, and what is old goes."""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from audit.models import AuditEntry
from audit.services import delete_old_entries, kind_of
from knowledge.models import Document
from knowledge.words import forget_deleted_words
from opengpts.db import in_database_thread
from threads.images import delete_images_of_none
from threads.models import Thread

logger = logging.getLogger(__name__)

# Seconds between two rounds.
INTERVAL = 60.0
# What was deleted before this process began, or is seen late because its transaction took long.
LOOK_BACK = timedelta(days=1)
OVERLAP = timedelta(minutes=2)

# Deletions that take documents along.
_WITH_DOCUMENTS = [kind_of(model) for model in (Document, Assistant, Thread, User)]


class Upkeep:
    """Makes a round every INTERVAL seconds. Any number of processes may."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def ensure_started(self) -> None:
        """Begin, on the running event loop. Doing it again changes nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            # In a fresh context, so that nothing of the request that came first lives on in it.
            self._task = loop.create_task(self._go_round_forever(), context=contextvars.Context())

    async def stop(self) -> None:
        """Make no more rounds. What has been begun in the database is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._loop = self._task = None

    async def _go_round_forever(self) -> None:
        since = timezone.now() - LOOK_BACK
        while True:
            await asyncio.sleep(INTERVAL)
            now = timezone.now()
            try:
                await in_database_thread(go_round, since=since)
                (await asyncio.to_thread(_expire_vectors))()
                since = now - OVERLAP
            except Exception:  # whatever it is, the next round does what this one could not
                logger.exception("what was deleted cannot be looked after; trying again")


def go_round(*, since: datetime) -> None:
    """Delete files of images whose threads are gone, words of chunks deleted `since` then, and old audit entries."""
    delete_images_of_none()
    if AuditEntry.objects.deletions_since(since).filter(kind__in=_WITH_DOCUMENTS).exists():
        forget_deleted_words()
    delete_old_entries(days=settings.AUDIT_DAYS)


def _expire_vectors() -> Callable[[], None]:
    # Imports numpy, which only a server has use for.
    from knowledge.nearest import expire

    return expire


upkeep = Upkeep()
