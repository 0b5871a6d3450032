"""Which run is next, and whose it is: a process takes runs, keeps them, and takes over those of dead ones.

A status moves only by compare-and-set, so that whoever comes second changes nothing.
"""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from opengpts.worker import is_dead, worker_id
from runs.ending import give_up_run
from runs.errors import MAX_ATTEMPTS
from runs.models import Run, RunQuerySet, RunStatus
from runs.signals import signals
from threads.models import Thread
from threads.rows import UnknownThread, lock_thread
from threads.transactions import fetch, uuid_of, uuid_parameter

# Numbers of events that an attempt at a run may use before its process says how many it did: more than any will. What
# is not used is given back at its end; only where its process died the thread's numbers jump.
EVENT_LEASE = 1_000_000_000
# Candidates that are looked at each time.
CANDIDATES = 10

# Written out: a server asks twice for each run, and the ORM takes a millisecond to put it together.
_RUNS = f'"{Run._meta.db_table}"'
_IDLE = (
    f"NOT EXISTS (SELECT 1 FROM {_RUNS} AS b WHERE b.thread_id = r.thread_id AND (b.status = 'running'"  # nosec B608  # names of ours; values are parameters
    " OR (b.status = 'pending' AND (b.created_at, b.id) < (r.created_at, r.id))))"
)
_ROOM = f"(SELECT COUNT(*) FROM {_RUNS} AS o WHERE o.status = 'running' AND o.owner_id = r.owner_id) < %s"  # nosec B608  # names of ours; values are parameters
_OURS = (
    f"SELECT r.id, r.thread_id FROM {_RUNS} AS r WHERE r.status = 'pending' AND r.worker = %s AND {_IDLE} AND {_ROOM}"  # nosec B608  # names of ours; values are parameters
    f" ORDER BY r.created_at, r.id LIMIT {CANDIDATES}"
)
_IS_NEXT = f"SELECT 1 FROM {_RUNS} AS r WHERE r.id = %s AND r.status = 'pending' AND {_IDLE}"  # nosec B608  # names of ours; values are parameters
_MAY_GO = (
    f"SELECT 1 FROM {_RUNS} AS r WHERE r.id = %s AND r.status = 'pending' AND {_ROOM}"  # nosec B608  # names of ours; values are parameters
    f" AND NOT EXISTS (SELECT 1 FROM {_RUNS} AS b WHERE b.thread_id = r.thread_id AND b.status = 'running')"
)
_LEASE_NUMBERS = f'UPDATE "{Thread._meta.db_table}" SET event_seq = event_seq + %s WHERE id = %s RETURNING id'  # nosec B608  # names of ours; values are parameters
_MARK_RUNNING = (
    f"UPDATE {_RUNS} SET status = 'running', worker = %s, attempts = attempts + 1,"  # nosec B608  # names of ours; values are parameters
    f' first_seq = COALESCE(first_seq, (SELECT event_seq FROM "{Thread._meta.db_table}" WHERE id = %s) - %s),'
    " started_at = COALESCE(started_at, %s), heartbeat_at = %s"
    " WHERE id = %s AND status = 'pending' AND worker IN (%s, %s) RETURNING id"
)


def claim_run() -> Run | None:
    """Take this process's oldest pending run whose turn it is, and mark it running; None where there is none.

    It is a run's turn when the thread is idle and no older one waits there, in whatever process, and its owner has
    fewer than RUNS_AT_ONCE_PER_USER going on. (Processes that look at the same moment may all find room for one more.)
    """
    found = fetch(_OURS, [worker_id(), settings.RUNS_AT_ONCE_PER_USER])
    for run_id, thread_id in (map(uuid_of, row) for row in found):
        # Asked again: another may have taken it over since.
        if claim_if_next(run_id, thread_id, worker=worker_id()) and (run := read_claimed(run_id)) is not None:
            return run
    return None


def claim_if_next(run_id: uuid.UUID, thread_id: uuid.UUID, *, worker: str) -> bool:
    """Mark a pending run that `worker` has running, if it is its turn; whether it was."""
    return _claim(run_id, thread_id, [worker, worker], _IS_NEXT, [uuid_parameter(run_id)])


def claim_by_job(run_id: uuid.UUID, thread_id: uuid.UUID) -> bool:
    """Mark a pending run running whose job this worker process has; whether it could go.

    That it is the next of its thread is what its job says. It cannot go while another of them does, nor while its
    owner has as many going on as they may.
    """
    # Its own it may have broken off, and not let go of.
    waits_for = ["", worker_id()]
    return _claim(run_id, thread_id, waits_for, _MAY_GO, [uuid_parameter(run_id), settings.RUNS_AT_ONCE_PER_USER])


def _claim(run_id: uuid.UUID, thread_id: uuid.UUID, waits_for: list[str], turn: str, parameters: list[Any]) -> bool:
    """Mark a run of the thread running that `waits_for` one of two workers, if the query of its `turn` gives a row."""
    run, thread = uuid_parameter(run_id), uuid_parameter(thread_id)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    try:
        with transaction.atomic():
            # First, as this locks the thread: whoever is changing its state has finished then.
            claimed = (
                fetch(_LEASE_NUMBERS, [EVENT_LEASE, thread])
                and fetch(turn, parameters)
                and fetch(_MARK_RUNNING, [worker_id(), thread, EVENT_LEASE, now, now, run, *waits_for])
            )
            if not claimed:
                transaction.set_rollback(True)
    except IntegrityError:  # another process has just started a run of this thread
        return False
    return bool(claimed)


def read_claimed(run_id: uuid.UUID) -> Run | None:
    """A run that was claimed, with what its execution reads; None where it was deleted with its thread since."""
    return Run.objects.select_related("thread", "assistant").filter(pk=run_id, status=RunStatus.RUNNING).first()


def keep_alive(*, running: Collection[uuid.UUID]) -> None:
    """Say that this process still has its runs: those it is `running`, and those that wait for it."""
    mine = Run.objects.filter(worker=worker_id())
    mine.filter(Q(status=RunStatus.PENDING) | Q(pk__in=running)).update(heartbeat_at=timezone.now())


def find_stopped(*, running: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the runs that this process is to stop.

    They are to be cancelled, or are its own no more: deleted with their thread, or taken over by another.
    """
    if not running:
        return set()
    mine = Run.objects.filter(pk__in=running, worker=worker_id(), cancel_action="")
    return set(running) - set(mine.values_list("pk", flat=True))


def recover_lost_runs(*, running: Collection[uuid.UUID] = ()) -> int:
    """Take over the runs whose process died: they wait again, and go on from their last checkpoint.

    Not those that are `running` here: their last heartbeat may be old because the database was long about it.

    A run that took its process down `MAX_ATTEMPTS` times ends as an error instead. Returns how many changed.
    """
    stale = timezone.now() - timedelta(seconds=settings.RUN_LOST_AFTER)
    unfinished = Run.objects.unfinished().exclude(pk__in=running, worker=worker_id())
    workers = set(unfinished.values_list("worker", flat=True))
    lost = Q(heartbeat_at__lt=stale) | Q(worker__in=[worker for worker in workers if is_dead(worker)])
    over = unfinished.filter(lost, attempts__gte=MAX_ATTEMPTS, status=RunStatus.RUNNING)
    given_up = sum(_give_up(run, over.filter(pk=run.pk)) for run in over.select_related("thread"))
    taken_over = unfinished.filter(lost).update(
        status=RunStatus.PENDING, worker=worker_id(), heartbeat_at=timezone.now()
    )
    return given_up + taken_over


def _give_up(run: Run, same: RunQuerySet) -> bool:
    with transaction.atomic():
        try:
            lock_thread(run.thread_id)
        except UnknownThread:
            return False
        floor = give_up_run(run=run, same=same)
        if floor is not None:
            transaction.on_commit(lambda: signals.lost(run.thread_id, run.pk, floor=floor))
    return floor is not None
