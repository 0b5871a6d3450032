"""The inline executor: runs as asyncio tasks of the server process."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from django.conf import settings

from agents.errors import ModelUnavailable
from agents.graphs import aclose as close_models
from agents.graphs import warm_up
from agents.language_models.catalogue import resolve
from agents.language_models.model_entry import ModelEntry
from opengpts.db import in_database_thread
from opengpts.supervision import Supervisor
from runs.event_log import MemoryEventLog, event_log
from runs.models import Run
from runs.services import claim_run, find_vanished, keep_alive, recover_lost_runs

logger = logging.getLogger(__name__)

Execute = Callable[[Run, MemoryEventLog], Awaitable[None]]


class InlineExecutor(Supervisor[Run]):
    """Runs what this process's clients asked for, and what dead processes left behind."""

    what = "run"

    async def load(self) -> Callable[[Run], Awaitable[None]]:
        entry = None
        try:
            entry = await in_database_thread(resolve, None)
        except ModelUnavailable as exc:
            logger.warning("%s Until then, runs that name no model fail.", exc.message)
        execute = await asyncio.to_thread(_import, entry)
        return lambda run: execute(run, event_log)

    def capacity(self) -> int:
        return int(settings.RUN_CONCURRENCY)

    async def claim(self) -> Run | None:
        return await in_database_thread(claim_run)

    async def beat(self, doing: list[uuid.UUID]) -> tuple[set[uuid.UUID], int]:
        event_log.expire()
        await in_database_thread(keep_alive, running=doing)
        taken_back = await in_database_thread(recover_lost_runs, running=doing)
        return await in_database_thread(find_vanished, running=doing), taken_back

    async def stop(self) -> None:
        """As for every supervisor; then the connections to models are closed."""
        await super().stop()
        await close_models()


def _import(default: ModelEntry | None) -> Execute:
    # Imports LangChain, which takes over a second: not with this module, but in a thread when a server starts.
    from runs.execution import execute

    warm_up(default)
    return execute


executor = InlineExecutor()
