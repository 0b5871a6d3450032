"""Where in a thread's log a stream begins."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from opengpts.db import in_database_thread
from runs.event_log import EventLog
from runs.models import UNFINISHED, Run, RunStatus
from runs.streaming.subscriptions import Subscription
from threads.models import Thread
from threads.transactions import fetch, uuid_parameter

# How long a run that has ended is awaited by the client that started it.
NEWS = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the database knows of a thread's log.

    `begun`: after that number are the events of the runs that have not ended; None where none of them has begun.
    `last`: where none has begun, the number of the last event there ever was; else one that none has yet.
    """

    last: int
    begun: int | None

    @property
    def now(self) -> int:
        """After that number comes whatever an unfinished run says, or the next one that begins."""
        return self.last if self.begun is None else self.begun


def read_numbers(thread_id: uuid.UUID) -> Numbers:
    """By one query: between two a run might begin."""
    found = fetch(_NUMBERS, [uuid_parameter(thread_id)])
    return Numbers(*found[0]) if found else Numbers(0, None)


# Written out: every stream asks it, and the ORM takes a millisecond to put it together.
_NUMBERS = (
    f'SELECT event_seq, (SELECT MIN(first_seq) FROM "{Run._meta.db_table}" AS r WHERE r.thread_id = t.id'  # nosec B608  # names of ours; values are parameters
    f""" AND r.status IN ({", ".join(f"'{status}'" for status in UNFINISHED)}))"""
    f' FROM "{Thread._meta.db_table}" AS t WHERE t.id = %s'
)


@dataclass(frozen=True, slots=True)
class Start:
    """A stream is sent the events after the number `after`.

    `snapshot`: it is told first how things stand, and what the log says of that up to the number `known` is part of
    it. `missed`: events that the client should have had are gone already.
    """

    after: int
    known: int = 0
    snapshot: bool = False
    missed: bool = False


async def find_start(log: EventLog, thread_id: uuid.UUID, subscription: Subscription, since: int | None) -> Start:
    """Where to begin for a client that has the events up to `since`, or none. Raises `LogUnavailable`.

    One that has none is told how things stand, and then what the unfinished runs have said, or the last run where all
    have ended. How runs of the past have ended is no part of it: official clients would take it for the end of the
    run that they are about to start. Unless nobody has been told yet: a run may end before the client that started it
    comes to subscribe.
    """
    known = await log.last_seq(thread_id)
    numbers = await in_database_thread(read_numbers, thread_id)
    if since is None:
        after = await in_database_thread(_last_run, thread_id, subscription) if numbers.begun is None else None
        return Start(numbers.now if after is None else after, known=known, snapshot=True)
    if not known and numbers.begun is None and since < numbers.last:
        # There is no log any more that could tell of the gap.
        return Start(numbers.last, snapshot=True, missed=True)
    if since > (known or numbers.last):
        # From a log that was another, of a thread that was deleted: what comes next has a lower number.
        return Start(known or numbers.last, snapshot=True, missed=True)
    return Start(since)


def _last_run(thread_id: uuid.UUID, subscription: Subscription) -> int | None:
    """After which number the last run begins; None where it is not to be told of."""
    if Run.objects.unfinished().filter(thread=thread_id).exists():
        return None
    begun = Run.objects.filter(thread=thread_id, first_seq__isnull=False).order_by("-first_seq")
    last = begun.only("first_seq", "status", "awaited", "finished_at").first()
    if last is None or (subscription.only_about_runs and last.status != RunStatus.INTERRUPTED and not _is_news(last)):
        return None
    return last.first_seq


def _is_news(run: Run) -> bool:
    recent = run.finished_at is not None and timezone.now() - run.finished_at < NEWS
    return run.awaited and recent


def mark_told(run_ids: set[uuid.UUID]) -> None:
    """Somebody who asked for nothing else has been told how these runs ended."""
    awaited = Run.objects.filter(pk__in=run_ids, awaited=True)
    if awaited.exists():
        awaited.update(awaited=False)
