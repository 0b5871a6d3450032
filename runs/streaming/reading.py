"""Reading a thread's log for somebody who is to hear something now and then, also while it says nothing."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from django.conf import settings

from runs.event_log import Batch, event_log


async def read_with_pauses(thread_id: UUID, *, after: int) -> AsyncGenerator[Batch | None, None]:
    """As `EventLog.read`; and None whenever nothing has come for STREAM_HEARTBEAT seconds."""
    batches = event_log().read(thread_id, after=after)
    waiting: asyncio.Future[Batch] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(batches))
            if not (await asyncio.wait({waiting}, timeout=settings.STREAM_HEARTBEAT))[0]:
                yield None
                continue
            batch, waiting = waiting.result(), None
            yield batch
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await batches.aclose()
