"""Running the schedules that are due."""

import logging
import uuid
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from opengpts.error_responses import as_client_error
from opengpts.errors import Conflict, NotFound, OpenGPTsError
from runs.models import Run, RunStatus
from runs.schemas import RunBody, RunConfig
from runs.services import create_run
from schedules.cron import Unschedulable, next_time
from schedules.models import Schedule

logger = logging.getLogger(__name__)

# Schedules that one call takes up.
BATCH = 100


def run_due_schedules(*, now: datetime) -> int:
    """Begin a run of each schedule that is due, the longest overdue first, and say when it is due next.

    However many times have passed since it was due, it is run once. Where no run can begin, the schedule says why and
    waits for its next time. Safe to call from many processes at once, and again after one that died. Returns how many
    schedules it moved on, BATCH at most: call it again then.
    """
    due = Schedule.objects.filter(next_at__lte=now).order_by("next_at", "id")
    moved = 0
    for schedule_id in list(due.values_list("pk", flat=True)[:BATCH]):
        try:
            moved += _move_on(schedule_id, now)
        except (InterfaceError, OperationalError):  # the database is away: for the others, too
            raise
        except Exception as exc:  # whatever it is, the others are due as well
            logger.exception("the schedule %s cannot be run; it waits for its next time", schedule_id)
            moved += _pass_over(schedule_id, now, as_client_error(exc).message)
    return moved


def run_schedule(*, schedule: Schedule) -> Run:
    """Begin a run now, whenever it is due. Raises as `create_run` does, or for a schedule that cannot run."""
    with transaction.atomic():
        run = _begin(schedule)
        Schedule.objects.filter(pk=schedule.pk).update(last_at=timezone.now(), last_run=run, last_error="")
    return run


def _move_on(schedule_id: uuid.UUID, now: datetime) -> bool:
    """Begin a run and move `next_at`, both or neither. False where another process has, or it was changed."""
    with transaction.atomic():
        _refer_at_once()
        rows = Schedule.objects.select_related("owner", "last_run")
        schedule = rows.filter(pk=schedule_id, next_at__lte=now).first()
        if schedule is None:
            return False
        outcome = _outcome(schedule)
        # Last, so that whoever deletes the thread or the assistant, and then this row, is not waited for while they
        # wait for this.
        if _wait_for_next(schedule, now, **outcome):
            return True
        transaction.set_rollback(True)
        return False


def _pass_over(schedule_id: uuid.UUID, now: datetime, error: str) -> bool:
    """Move `next_at`, and say why no run began. False as for `_move_on`.

    Left due, those that fail each time would be the longest overdue for ever, and BATCH of them all that is looked at.
    """
    # What else there is may be what cannot be read.
    rows = Schedule.objects.only("cron", "timezone", "next_at")
    schedule = rows.filter(pk=schedule_id, next_at__lte=now).first()
    return schedule is not None and _wait_for_next(schedule, now, last_error=error)


def _wait_for_next(schedule: Schedule, now: datetime, **outcome: Run | str) -> bool:
    """Move `next_at`, and write down what came of this time. False where another process has, or it was changed."""
    fields = {"last_at": now, **outcome, **_next(schedule, now)}
    return bool(Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(**fields))


def _outcome(schedule: Schedule) -> dict[str, Run | str]:
    """Begin a run: the fields that tell of it, or of why there is none."""
    before = schedule.last_run
    if before is not None and before.status in (RunStatus.PENDING, RunStatus.RUNNING):
        # Or a model that is slower than the clock would have ever more of them wait.
        return {"last_error": "The run before this one had not ended."}
    try:
        return {"last_run": _begin(schedule), "last_error": ""}
    except OpenGPTsError as exc:
        return {"last_error": exc.message}


def _next(schedule: Schedule, now: datetime) -> dict[str, datetime | str | bool | None]:
    """The fields that say when it is due next. It is switched off where there is no such time any more."""
    try:
        return {"next_at": next_time(cron=schedule.cron, timezone=schedule.timezone, after=now)}
    except Unschedulable as exc:
        return {"next_at": None, "enabled": False, "last_error": exc.message}


def _begin(schedule: Schedule) -> Run:
    """A run of the schedule, in a transaction under way. Raises `OpenGPTsError` where there can be none."""
    if not schedule.owner.is_active:
        raise Conflict("The user of this schedule is not active.")
    if schedule.assistant_id is None and not schedule.follows_thread:
        raise NotFound("The assistant of this schedule was deleted.")
    body = RunBody(
        thread_id=str(schedule.thread_id),
        assistant_id=None if schedule.assistant_id is None else str(schedule.assistant_id),
        input=schedule.input,
        config=RunConfig.model_validate(schedule.config),
    )
    with transaction.atomic():
        return create_run(owner=schedule.owner, body=body, stored=[schedule.sealed])


def _refer_at_once() -> None:
    """Have this transaction's foreign keys checked with each statement, instead of when it ends.

    What a run refers to is then kept from being deleted before this holds the schedule's row, and not after: whoever
    deletes it takes the rows in the same order. (SQLite has one writer at a time.)
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
