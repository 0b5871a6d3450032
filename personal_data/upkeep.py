"""What a server process does now and then so that what was deleted is gone, and what is old goes."""

import asyncio
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
from opengpts.beside import BesideRequests
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


class Upkeep(BesideRequests):
    """Makes a round every INTERVAL seconds. Any number of processes may."""

    async def go_on(self) -> None:
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
