"""Waiting for the end of a run."""

import asyncio
from contextlib import suppress

from django.conf import settings

from opengpts.db import in_database_thread
from runs.event_log import Batch, event_log
from runs.models import Run
from runs.streaming.positions import read_numbers


async def wait_for_end(run: Run, timeout: float) -> None:  # noqa: ASYNC109 - that it takes longer is no error
    """Return when the run has ended or was deleted, or after `timeout` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await _until_ended(run)


async def _until_ended(run: Run) -> None:
    numbers = await in_database_thread(read_numbers, run.thread_id)
    batches = event_log().read(run.thread_id, after=numbers.now)
    waiting: asyncio.Future[Batch] | None = None
    try:
        while await in_database_thread(Run.objects.unfinished().filter(pk=run.pk).exists):
            waiting = waiting or asyncio.ensure_future(anext(batches))
            # What the log says makes it quick, and the look at the row sure.
            while (await asyncio.wait({waiting}, timeout=settings.STREAM_HEARTBEAT))[0]:
                batch = waiting.result()
                waiting = asyncio.ensure_future(anext(batches))
                if any(entry.run_id == run.pk and entry.method == "lifecycle" for entry in batch.entries):
                    break
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await batches.aclose()
