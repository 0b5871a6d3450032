"""The connection of a worker process with its queue: one that waits while PostgreSQL is away.

Procrastinate's worker stops when one of its questions cannot be asked, and would have to let go of the runs that go on
without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.sql import queries
from psycopg_pool import PoolClosed

from opengpts.outage import Outage

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds between two tries while PostgreSQL is away, at first and at most.
RETRY, MAX_RETRY = 0.2, 2.0
# Seconds after which a worker is told once more that there is a job. Told while it asks for one, it forgets.
AGAIN = 0.05

_ENDINGS = {queries["finish_job"], queries["retry_job"]}
# What Procrastinate itself says when there is a new job. Here, the next job of a thread is free to go.
_FREE = 'SELECT pg_notify(\'procrastinate_any_queue_v1\', \'{"type": "job_inserted", "job_id": 0}\')'


class PatientConnector(PsycopgConnector):
    """For Procrastinate's worker. A question that PostgreSQL could not answer is asked again until it can.

    It may have been answered, unheard. A job that was fetched so is taken by nobody, which `recover_runs` finds out.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._outage = Outage(
            logger, begun="The queue of runs cannot be reached", over="The queue of runs can be reached again"
        )

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        try:
            await self._patiently(lambda: super(PatientConnector, self).execute_query_async(query, **arguments))
        except ConnectorException as exc:
            if query not in _ENDINGS or not isinstance(exc.__cause__, psycopg.errors.RaiseException):
                raise
            logger.info("A job that has ended here was taken from this worker before: %s", exc.__cause__)
        if query in _ENDINGS:
            await self._patiently(lambda: super(PatientConnector, self).execute_query_async(_FREE))

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        return await self._patiently(lambda: super(PatientConnector, self).execute_query_one_async(query, **arguments))

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        return await self._patiently(lambda: super(PatientConnector, self).execute_query_all_async(query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        loop = asyncio.get_running_loop()
        telling: set[asyncio.Task[None]] = set()

        async def tell_again(channel: str, payload: str) -> None:
            await asyncio.sleep(AGAIN)
            await on_notification(channel=channel, payload=payload)

        async def tell(*, channel: str, payload: str) -> None:
            await on_notification(channel=channel, payload=payload)
            if not telling:
                telling.add(task := loop.create_task(tell_again(channel, payload)))
                task.add_done_callback(telling.discard)

        names = list(channels)
        await self._patiently(lambda: super(PatientConnector, self).listen_notify(tell, names))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        retry = RETRY
        while True:
            try:
                answer = await ask()
            except ConnectorException as exc:
                cause = exc.__cause__
                if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) or isinstance(
                    cause, PoolClosed
                ):
                    raise
                self._outage.met(cause)
            else:
                self._outage.over()
                return answer
            await asyncio.sleep(retry)
            retry = min(retry * 2, MAX_RETRY)
