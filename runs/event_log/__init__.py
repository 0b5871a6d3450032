"""The event log of a thread: what its runs emit, in order, for any number of readers.

Events are those of the Agent Streaming Protocol (types: PyPI `langchain-protocol`). `event_log()` is the one that this
deployment uses: in memory, or in Redis where `REDIS_URL` is set.
"""

from functools import cache

from django.conf import settings

from runs.event_log.entries import INPUT_NODE, Batch, Event, EventLog, LogEntry, LogLost, LogTaken, LogUnavailable
from runs.event_log.memory import MemoryEventLog

__all__ = ["INPUT_NODE", "Batch", "Event", "EventLog", "LogEntry", "LogLost", "LogTaken", "LogUnavailable", "event_log"]


@cache
def event_log() -> EventLog:
    """The event log that the settings name, the same one each time. For any event loop."""
    if not settings.REDIS_URL:
        return MemoryEventLog(
            length=settings.EVENT_LOG_LENGTH, ttl=settings.EVENT_LOG_TTL, size=settings.EVENT_LOG_MEMORY
        )
    # Loads the client of Redis, which the embedded server has no need of.
    from runs.event_log.redis import RedisEventLog

    return RedisEventLog(
        settings.REDIS_URL,
        prefix=settings.REDIS_PREFIX,
        length=settings.EVENT_LOG_LENGTH,
        ttl=settings.EVENT_LOG_TTL,
    )
