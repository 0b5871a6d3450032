"""Writing runs. A status moves only by compare-and-set, so that whoever comes second changes nothing."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from agents.language_models.usage import Spending
from assistants.config_checking import check_config
from assistants.models import Assistant
from opengpts.errors import BadRequest, OpenGPTsError
from opengpts.lookup import find, referring_to
from opengpts.worker import is_dead, worker_id
from runs.decisions import decisions_on
from runs.models import Run, RunQuerySet, RunStatus
from runs.schemas import RunBody, RunConfig
from threads.message_input import parse_messages
from threads.models import Thread
from threads.rows import UnknownThread, lock_thread
from threads.state import append_messages
from threads.transactions import Statement

# Set by the server, whatever a client sends.
PROTECTED_KEYS = {"thread_id", "user_id", "assistant_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"}
MAX_ATTEMPTS = 3


def create_run(*, owner: User, body: RunBody) -> Run:
    """A pending run of `owner`'s, queued behind the others of its thread.

    Raises `NotFound` for a thread that is not theirs or an assistant they cannot see, `BadRequest` where neither
    the body nor the thread has an assistant, `Invalid` for input or config of the wrong shape, or decisions that do
    not fit the tool calls that wait, `Conflict` where none do.
    """
    thread = find(Thread.objects.owned_by(owner), body.thread_id, what="Thread")
    named = body.assistant_id if body.assistant_id is not None else thread.assistant_id
    if named is None:
        raise BadRequest("Thread has no assistant")
    assistant = find(Assistant.objects.visible_to(owner), str(named), what="Assistant")
    messages = None if body.input is None else parse_messages(body.input, "body", "input", removals=False)
    overrides = {"configurable": _overrides(body.config)}
    check_config(overrides, "body", "config")
    with referring_to("Thread"):
        return Run.objects.create(
            thread=thread,
            assistant=assistant,
            owner=owner,
            input=messages,
            config=overrides,
            resume=decisions_on(thread, body.command) if messages is None else None,
            worker=worker_id(),
            heartbeat_at=timezone.now(),
        )


def _overrides(config: RunConfig | None) -> dict[str, Any]:
    configurable = (config and config.configurable) or {}
    return {key: value for key, value in configurable.items() if key not in PROTECTED_KEYS}


def claim_run() -> Run | None:
    """Take this process's oldest pending run whose turn it is, and mark it running; None where there is none.

    It is a run's turn when the thread is idle and no older one waits there, in whatever process.
    """
    same_thread = Run.objects.filter(thread=OuterRef("thread"))
    older = Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk"))
    before = same_thread.filter(Q(status=RunStatus.RUNNING) | Q(older, status=RunStatus.PENDING))
    waiting = Run.objects.filter(status=RunStatus.PENDING, worker=worker_id()).exclude(Exists(before))
    for run_id, thread_id in waiting.order_by("created_at", "id").values_list("id", "thread_id")[:10]:
        now = timezone.now()
        try:
            with transaction.atomic():
                # So that whoever is changing the thread's state has finished.
                lock_thread(thread_id)
                # Asked again: another may have taken it over, or another of the thread's runs back, since.
                claimed = waiting.filter(pk=run_id).update(
                    status=RunStatus.RUNNING,
                    attempts=F("attempts") + 1,
                    started_at=now,
                    heartbeat_at=now,
                )
        except (IntegrityError, UnknownThread):  # another process has just started a run of this thread, or deleted it
            continue
        run = Run.objects.select_related("thread", "assistant").filter(pk=run_id).first() if claimed else None
        if run is not None:  # it was not deleted with its thread since
            return run
    return None


def finish_run(
    *, run: Run, status: RunStatus, error: OpenGPTsError | None = None, spent: Spending | None = None
) -> bool:
    """End a run that this process is running. False where it has ended already, is gone, or was taken over.

    `spent` is what this attempt used; it is added to what earlier ones did.
    """
    return bool(
        _running_here(run).update(
            status=status,
            error_code=error.code if error else "",
            error_message=error.message if error else "",
            finished_at=timezone.now(),
            **_usage_with(run, spent),
        )
    )


def requeue_run(*, run: Run, spent: Spending | None = None) -> bool:
    """Put a run of this process back into the queue, to go on from its last checkpoint. As `finish_run`."""
    return bool(_running_here(run).update(status=RunStatus.PENDING, **_usage_with(run, spent)))


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


def keep_input(*, run: Run) -> None:
    """Put a run's input into its thread where no graph will: what was said stays said, and can be answered later."""
    with transaction.atomic():
        lock_thread(run.thread_id)
        if run.input and _running_here(run).exists():
            append_messages(thread=run.thread, messages=run.input)


def writer_of(*, run: Run) -> Statement:
    """The query that gives a row as long as the run is this process's to do, in the attempt that `run` tells of.

    A process that was suspended, or a run whose thread was deleted, may not know yet that it is not.
    """
    sql, parameters = _running_here(run).order_by().values_list("attempts").query.sql_with_params()
    return sql, parameters


def _running_here(run: Run) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, worker=worker_id(), attempts=run.attempts)


def keep_alive(*, running: Collection[uuid.UUID]) -> None:
    """Say that this process still has its runs: those it is `running`, and those that wait for it."""
    mine = Run.objects.filter(worker=worker_id())
    mine.filter(Q(status=RunStatus.PENDING) | Q(pk__in=running)).update(heartbeat_at=timezone.now())


def find_vanished(*, running: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the runs that are this process's no more: deleted with their thread, or taken over by another."""
    if not running:
        return set()
    return set(running) - set(Run.objects.filter(pk__in=running, worker=worker_id()).values_list("pk", flat=True))


def recover_lost_runs(*, running: Collection[uuid.UUID] = ()) -> int:
    """Take over the runs whose process died: they wait again, and go on from their last checkpoint.

    Not those that are `running` here: their last heartbeat may be old because the database was long about it.

    A run that took its process down `MAX_ATTEMPTS` times ends as an error instead. Returns how many changed.
    """
    stale = timezone.now() - timedelta(seconds=settings.RUN_LOST_AFTER)
    unfinished = Run.objects.filter(status__in=[RunStatus.PENDING, RunStatus.RUNNING])
    unfinished = unfinished.exclude(pk__in=running, worker=worker_id())
    workers = set(unfinished.values_list("worker", flat=True))
    lost = Q(heartbeat_at__lt=stale) | Q(worker__in=[worker for worker in workers if is_dead(worker)])
    given_up = unfinished.filter(lost, attempts__gte=MAX_ATTEMPTS, status=RunStatus.RUNNING).update(
        status=RunStatus.ERROR,
        error_code="run_lost",
        error_message=f"The server stopped during this run, {MAX_ATTEMPTS} times.",
        finished_at=timezone.now(),
    )
    taken_over = unfinished.filter(lost).update(
        status=RunStatus.PENDING, worker=worker_id(), heartbeat_at=timezone.now()
    )
    return given_up + taken_over
