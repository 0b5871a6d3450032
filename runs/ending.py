"""How an attempt at a run ends: the run is over, or waits again. Only by the process that has it, and once."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents.language_models.usage import Spending
from opengpts.errors import OpenGPTsError
from opengpts.worker import worker_id
from quotas.ledger import charge_spending
from runs.decisions import take_back
from runs.errors import GIVEN_UP
from runs.models import CancelAction, Run, RunQuerySet, RunStatus
from threads.models import Checkpoint, Thread
from threads.rows import UnknownThread, lock_thread
from threads.state import append_messages
from threads.transactions import Statement, uuid_parameter
from threads.upkeep import delete_runs

# How runs end that have saved all they were asked and have said.
_WHOLE = (RunStatus.SUCCESS, RunStatus.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run has ended. `checkpoint_id` is the thread's newest one, where ending the run has changed the thread."""

    checkpoint_id: str | None = None


def finish_run(
    *,
    run: Run,
    status: RunStatus,
    error: OpenGPTsError | None = None,
    spent: Spending | None = None,
    partial: dict[str, Any] | None = None,
    last_seq: int | None = None,
) -> Ended | None:
    """End a run that this process is running. None where it has ended already, is gone, or was taken over.

    `spent` is what this attempt used; it is added to what earlier ones did. `partial` is a message that was being
    written: it goes into the thread as far as it got. So does the input of a run that never came to save it: what was
    said stays said. `last_seq` is the number of its last event, where it is known.
    """
    with transaction.atomic():
        if status not in _WHOLE and not _lock(run):
            return None
        if status in (RunStatus.ERROR, RunStatus.CANCELLED):
            take_back(run=run)
        kept = run.input or [] if status not in _WHOLE and not _has_begun(run) else []
        kept = [*kept, partial] if partial else kept
        checkpoint_id = _append(run, kept) if kept else None
        ended = _end(run, spent, last_seq, status=status, error=error)
    return Ended(checkpoint_id) if ended else None


def finish_cancelled_run(
    *, run: Run, spent: Spending | None = None, partial: dict[str, Any] | None = None, last_seq: int | None = None
) -> Ended | None:
    """End a run of this process that somebody wants cancelled, as they want it. None where nobody does.

    Otherwise as `finish_run`.
    """
    with transaction.atomic():
        if not _lock(run):
            return None
        action = Run.objects.values_list("cancel_action", flat=True).get(pk=run.pk)
        if action == CancelAction.INTERRUPT:
            return finish_run(run=run, status=RunStatus.CANCELLED, spent=spent, partial=partial, last_seq=last_seq)
        if not action:
            return None
        delete_runs(run_ids=[str(run.pk)], thread_id=run.thread_id)
        _end(run, spent, last_seq, status=RunStatus.CANCELLED)
        newest = Checkpoint.objects.filter(thread=run.thread_id, checkpoint_ns="").order_by("-checkpoint_id")
        return Ended(newest.values_list("checkpoint_id", flat=True).first())


def requeue_run(*, run: Run, spent: Spending | None = None, last_seq: int | None = None) -> bool:
    """Put a run of this process back into the queue, to go on from its last checkpoint. As `finish_run`."""
    with transaction.atomic():
        if not _lock(run):
            return False
        _give_back_numbers(run, last_seq)
        requeued = running_here(run).update(status=RunStatus.PENDING, **_usage_with(run, spent))
        if requeued:
            charge_spending(user_id=run.owner_id, spent=spent)
        return bool(requeued)


def give_up_run(*, run: Run, same: RunQuerySet) -> int | None:
    """End a run whose processes died too often, where it is the `same` still; what it was asked stays said.

    In the transaction of the caller, who has locked the thread. Returns the number that its last event comes after.
    """
    error = {"error_code": GIVEN_UP.code, "error_message": GIVEN_UP.message}
    if not same.update(status=RunStatus.ERROR, finished_at=timezone.now(), **error):
        return None
    take_back(run=run)
    if run.input and not _has_begun(run):
        _append(run, run.input)
    thread = Thread.objects.filter(pk=run.thread_id)
    floor: int = thread.values_list("event_seq", flat=True).get()
    thread.update(event_seq=F("event_seq") + 1)
    return floor


def correct_numbers(*, run: Run, told: int, last_seq: int) -> None:
    """The thread's last event has the number `last_seq`, and not the one that was `told` when the run ended."""
    Thread.objects.filter(pk=run.thread_id, event_seq=told).update(event_seq=last_seq)


def writer_of(*, run: Run) -> Statement:
    """The query that gives a row as long as the run is this process's to do, in the attempt that `run` tells of.

    A process that was suspended, or a run whose thread was deleted, may not know yet that it is not.
    """
    return _RUNNING_HERE, [uuid_parameter(run.pk), worker_id(), run.attempts]


def running_here(run: Run) -> RunQuerySet:
    """The run's row, as long as it is this process's to do in this attempt."""
    return Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, worker=worker_id(), attempts=run.attempts)


# What `running_here` asks, written out: every step of a run asks it.
_RUNNING_HERE = (
    f'SELECT attempts FROM "{Run._meta.db_table}"'  # nosec B608  # names of ours; values are parameters
    f" WHERE id = %s AND status = '{RunStatus.RUNNING}' AND worker = %s AND attempts = %s"
)


def _lock(run: Run) -> bool:
    """Keep others from the thread until the transaction ends. Whether the run is still this process's."""
    try:
        lock_thread(run.thread_id)
    except UnknownThread:
        return False
    return running_here(run).exists()


def _append(run: Run, messages: list[dict[str, Any]]) -> str:
    """To what the run has saved, or where that is nothing to what it was to begin from."""
    checkpoint_id = None if _has_begun(run) else run.checkpoint_id or None
    return append_messages(thread=run.thread, messages=messages, checkpoint_id=checkpoint_id, run_id=str(run.pk))


def _end(
    run: Run,
    spent: Spending | None,
    last_seq: int | None,
    *,
    status: RunStatus,
    error: OpenGPTsError | None = None,
) -> bool:
    """Whether it was this process's to end."""
    _give_back_numbers(run, last_seq)
    ended = running_here(run).update(
        status=status,
        error_code=error.code if error else "",
        error_message=error.message if error else "",
        finished_at=timezone.now(),
        **_usage_with(run, spent),
    )
    if ended:
        charge_spending(user_id=run.owner_id, spent=spent)
    else:
        transaction.set_rollback(True)
    return bool(ended)


def _has_begun(run: Run) -> bool:
    return Checkpoint.objects.filter(thread=run.thread_id, run_id=str(run.pk)).exists()


def _give_back_numbers(run: Run, last_seq: int | None) -> None:
    """The next events of the thread count on from `last_seq`. Where that is not known they leave a gap."""
    if last_seq is not None:
        Thread.objects.filter(pk=run.thread_id).update(event_seq=last_seq)


def _usage_with(run: Run, spent: Spending | None) -> dict[str, Any]:
    """The fields of `run`'s model, usage and cost, with what was `spent` since it was claimed.

    What a process used that died is not among it: nobody is left to tell.
    """
    if spent is None:
        return {}
    usage = spent.usage + run.usage if run.usage else spent.usage
    # What it cost before is not known where a price was not.
    before = run.cost if run.usage else Decimal(0)
    return {
        "model": spent.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "usage_estimated": usage.estimated,
        "cost": None if before is None or spent.cost is None else before + spent.cost,
    }
