"""Reads the documents that wait, beside the requests of a server process: a few at once, each as a task of its own."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection

from django.conf import settings

from knowledge import queue
from knowledge.models import Document
from opengpts.db import in_database_thread
from opengpts.supervision import Supervisor

# Seconds between two looks at documents that another process may have.
POLL = 0.5


class IngestionWorker(Supervisor[Document]):
    """Takes documents out of the queue, whichever process has put them there, and back what dead processes had."""

    what = "document"

    async def wait_for(self, document_ids: Collection[uuid.UUID]) -> None:
        """Return when these documents have been read, here or by another process, or are gone."""
        while not await in_database_thread(queue.is_finished, document_ids=document_ids):
            await self.wait_for_end(POLL)

    async def load(self) -> Callable[[Document], Awaitable[None]]:
        return await asyncio.to_thread(_import)

    def capacity(self) -> int:
        return int(settings.INGEST_PROCESSES)

    async def claim(self) -> Document | None:
        return await in_database_thread(queue.claim_document)

    async def beat(self, doing: list[uuid.UUID]) -> tuple[set[uuid.UUID], int]:
        gone = await in_database_thread(queue.keep_alive, reading=doing)
        return gone, await in_database_thread(queue.recover_lost, reading=doing)


def _import() -> Callable[[Document], Awaitable[None]]:
    # Imports numpy: not with this module, which every management command imports, but when a server starts.
    from knowledge.ingestion import ingest

    return ingest


worker = IngestionWorker()
