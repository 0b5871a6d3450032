"""Cancelling runs: those that wait end at once, those that go on are stopped by the process that has them."""

import uuid

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from audit.services import record_deletion
from opengpts.errors import Conflict
from opengpts.lookup import find
from runs.decisions import take_back
from runs.models import UNFINISHED, CancelAction, Run, RunQuerySet, RunStatus
from runs.signals import signals
from threads.models import Thread
from threads.rows import UnknownThread, lock_thread
from threads.upkeep import delete_runs


def cancel_run(*, owner: User, run_id: str, action: CancelAction = CancelAction.INTERRUPT) -> Run:
    """`owner`'s run, cancelled: at once where it waited, soon where it goes on. One that has ended stays as it is.

    Raises `NotFound`.
    """
    run = find(Run.objects.owned_by(owner), run_id, what="Run")
    cancel_unfinished(run.thread_id, Run.objects.filter(pk=run.pk), action=action)
    return find(Run.objects.owned_by(owner).select_related("owner"), run_id, what="Run")


def delete_run(*, owner: User, run_id: str) -> None:
    """Delete the row of `owner`'s run. What it added to its thread stays.

    Raises `NotFound`, and `Conflict` while it waits or goes on.
    """
    run = find(Run.objects.owned_by(owner), run_id, what="Run")
    ended = Run.objects.owned_by(owner).exclude(status__in=UNFINISHED).filter(pk=run.pk)
    with transaction.atomic():
        if ended.delete()[0]:
            record_deletion(target=run, owner=owner)
        elif Run.objects.filter(pk=run.pk).exists():
            raise Conflict("This run has not ended. Cancel it first.")


def cancel_unfinished(thread_id: uuid.UUID, runs: RunQuerySet, *, action: CancelAction) -> None:
    """Cancel those of the `runs`, all of one thread, that have not ended.

    Those that wait have ended then. The others end when their processes hear of it, which they are told.
    """
    with transaction.atomic():
        try:
            lock_thread(thread_id)
        except UnknownThread:
            return
        waiting = list(runs.filter(status=RunStatus.PENDING).values_list("pk", flat=True))
        going_on = Run.objects.filter(thread=thread_id, status=RunStatus.RUNNING).exists()
        if action == CancelAction.ROLLBACK and not going_on:
            # What an attempt has saved that was broken off. While another run goes on, this one was not begun.
            delete_runs(run_ids=[str(pk) for pk in waiting], thread_id=thread_id)
        elif not going_on:
            for run in runs.filter(pk__in=waiting, attempts__gt=0):
                take_back(run=run)
        runs.filter(pk__in=waiting).update(status=RunStatus.CANCELLED, cancel_action=action, finished_at=timezone.now())
        # A rollback is not taken back by one who only wants it stopped.
        runs.filter(status=RunStatus.RUNNING).exclude(cancel_action=CancelAction.ROLLBACK).update(cancel_action=action)
        if waiting:
            floor = _take_numbers(thread_id, 0 if going_on else len(waiting))
            transaction.on_commit(lambda: signals.cancelled(thread_id, waiting, floor=floor))
        transaction.on_commit(signals.runs_changed)


def _take_numbers(thread_id: uuid.UUID, number: int) -> int:
    """Have the thread's log as many events longer; returns the floor for these. A run that goes on has taken enough."""
    thread = Thread.objects.filter(pk=thread_id)
    floor: int = thread.values_list("event_seq", flat=True).get()
    thread.update(event_seq=F("event_seq") + number)
    return floor
