"""Waiting for the end of a run."""

import asyncio
from contextlib import aclosing, suppress

from opengpts.db import in_database_thread
from runs.event_log import Batch
from runs.models import LIFECYCLE_ENDS, Run
from runs.streaming.positions import read_numbers
from runs.streaming.reading import read_with_pauses


async def wait_for_end(run: Run, timeout: float) -> None:  # noqa: ASYNC109 - that it takes longer is no error
    """Return when the run has ended or was deleted, or after `timeout` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await _until_ended(run)


async def _until_ended(run: Run) -> None:
    numbers = await in_database_thread(read_numbers, run.thread_id)
    goes_on = Run.objects.unfinished().filter(pk=run.pk).exists
    if not await in_database_thread(goes_on):
        return
    async with aclosing(read_with_pauses(run.thread_id, after=numbers.now)) as batches:
        async for batch in batches:
            # What the log says makes it quick, and the look at the row sure.
            if (batch is None or _says_end(batch, run)) and not await in_database_thread(goes_on):
                return


def _says_end(batch: Batch, run: Run) -> bool:
    ends = (entry for entry in batch.entries if entry.run_id == run.pk and entry.method == "lifecycle")
    return any(entry.data["event"] in LIFECYCLE_ENDS for entry in ends)
