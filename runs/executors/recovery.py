"""What worker processes do about runs that others have lost.

Whatever dies, whenever it does: a run that has not ended either says by its heartbeat that a process is doing it, or
has a job that brings it to one. Where neither is so, one of these finds it, on any worker.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from opengpts.worker import is_dead, worker_id
from runs.ending import give_up_run
from runs.errors import MAX_ATTEMPTS
from runs.executors.jobs import delete_jobs, replace_job, runs_left_behind, runs_without_job
from runs.models import UNFINISHED, Run, RunStatus
from threads.rows import UnknownThread, lock_thread


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A run that has ended because its processes died. Its last event comes after the number `floor`."""

    run_id: uuid.UUID
    thread_id: uuid.UUID
    floor: int


def say_alive(*, running: Collection[uuid.UUID]) -> None:
    """Say that this process is still `running` these."""
    Run.objects.filter(pk__in=running, worker=worker_id(), status=RunStatus.RUNNING).update(heartbeat_at=timezone.now())


def recover_runs(*, running: Collection[uuid.UUID]) -> list[GivenUp]:
    """Have workers do again what is lost. Not what is `running` here.

    To be called every RUN_HEARTBEAT seconds. A run whose process dies has a job again RUN_LOST_AFTER + RUN_HEARTBEAT
    seconds later, at most. Returns those that have taken their process down too often: they have ended.
    """
    given_up = [ended for run in _lost(running) if (ended := _take_back(run)) is not None]
    for run_id in runs_without_job():
        _bring_back(run_id)
    for run_id in runs_left_behind():
        _bring_back(run_id)
    return given_up


def _lost(running: Collection[uuid.UUID]) -> list[Run]:
    """The runs that a process has, by their rows, and that is dead or silent. Also those that wait for one process."""
    stale = timezone.now() - timedelta(seconds=settings.RUN_LOST_AFTER)
    taken = Run.objects.unfinished().exclude(worker="").exclude(pk__in=running, worker=worker_id())
    runs = list(taken.only("pk", "thread_id", "status", "worker", "attempts", "heartbeat_at").order_by("created_at"))
    dead = {worker for worker in {run.worker for run in runs} if is_dead(worker)}
    return [run for run in runs if run.worker in dead or run.heartbeat_at is None or run.heartbeat_at < stale]


def _take_back(run: Run) -> GivenUp | None:
    """Let a lost run wait for a worker again, or end it."""
    over = run.status == RunStatus.RUNNING and run.attempts >= MAX_ATTEMPTS
    with transaction.atomic():
        try:
            lock_thread(run.thread_id)
        except UnknownThread:
            return None
        # As it was read: it may have been heard of since, or be another's already.
        same = Run.objects.filter(
            pk=run.pk, status=run.status, worker=run.worker, attempts=run.attempts, heartbeat_at=run.heartbeat_at
        )
        if not over:
            if same.update(status=RunStatus.PENDING, worker="", heartbeat_at=None):
                replace_job(run.pk, run.thread_id)
            return None
        floor = give_up_run(run=run, same=same)
        if floor is None:
            return None
        delete_jobs(run.pk)
    return GivenUp(run.pk, run.thread_id, floor)


def _bring_back(run_id: uuid.UUID) -> None:
    """Give a run that waits a new job in place of what it has; take the job of one that does not."""
    with transaction.atomic():
        run = _locked(run_id)
        if run is None or run.status not in UNFINISHED:
            delete_jobs(run_id)
        elif run.status == RunStatus.PENDING and not run.worker:
            replace_job(run.pk, run.thread_id)


def _locked(run_id: uuid.UUID) -> Run | None:
    """A run as it is while its thread is locked, which it is until the transaction ends."""
    runs = Run.objects.filter(pk=run_id).only("pk", "thread_id", "status", "worker")
    try:
        for thread_id in runs.values_list("thread_id", flat=True):
            lock_thread(thread_id)
    except UnknownThread:
        return None
    return runs.first()
