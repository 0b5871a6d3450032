"""Writing schedules. What is due is run by `schedules.due`."""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assistants.config_checking import check_and_seal, may_keep
from assistants.models import Assistant
from audit.services import Actor, record_deletion, record_put
from opengpts.errors import BadRequest, Invalid, NotFound
from opengpts.lookup import find, referring_to
from opengpts.ownership import refuse_beyond
from schedules.cron import Unschedulable, next_time
from schedules.models import Schedule
from schedules.schemas import ScheduleBody
from threads.message_input import parse_messages
from threads.models import Thread


def create_schedule(
    *, owner: User, body: ScheduleBody, at_most: int | None = None, by: Actor | None = None
) -> Schedule:
    """A new schedule of `owner`'s. Raises as `check_schedule`, and `Conflict` where they have `at_most` already."""
    fields = check_schedule(owner=owner, body=body)
    with referring_to("Thread"):
        if at_most is not None:
            refuse_beyond(at_most, Schedule.objects.owned_by(owner), owner=owner)
        schedule = Schedule.objects.create(owner=owner, **fields)
        record_put(target=schedule, owner=owner, made=True, changed=(), by=by)
    return schedule


def put_schedule(*, owner: User, schedule_id: uuid.UUID, body: ScheduleBody, by: Actor | None = None) -> Schedule:
    """`owner`'s schedule under that id, changed. Raises as `check_schedule`, and `NotFound` where it is none of theirs.

    What is due and has not been run yet stays so, as long as the times are the same.
    """
    mine = Schedule.objects.owned_by(owner).filter(pk=schedule_id)
    with referring_to("Thread"):
        # Locked, or a secret that is replaced meanwhile could come back.
        before = mine.select_for_update(no_key=True, of=("self",)).select_related("thread", "assistant").first()
        fields = check_schedule(owner=owner, body=body, before=before)
        same_times = mine.filter(cron=body.cron, timezone=body.timezone, enabled=True) if body.enabled else mine.none()
        # Whoever runs it may be moving `next_at` on: it is not written where it need not be.
        kept = {name: value for name, value in fields.items() if name != "next_at"}
        if not same_times.update(**kept, last_error="") and not mine.update(**fields, last_error=""):
            raise NotFound("Schedule not found")
        schedule = mine.select_related("owner").first()
        if before is None or schedule is None:  # deleted a moment ago
            raise NotFound("Schedule not found")
        changed = [name for name in fields if name != "next_at" and getattr(before, name) != fields[name]]
        record_put(target=schedule, owner=owner, made=False, changed=changed, by=by)
    return schedule


def delete_schedule(*, owner: User, schedule_id: uuid.UUID) -> None:
    """Delete `owner`'s schedule; its runs stay. Deleting what is not there, or not theirs, changes nothing."""
    with transaction.atomic():
        mine = Schedule.objects.owned_by(owner).filter(pk=schedule_id)
        if (schedule := mine.select_for_update().first()) is not None:
            record_deletion(target=schedule, owner=owner)
            mine.delete()


def check_schedule(*, owner: User, body: ScheduleBody, before: Schedule | None = None) -> dict[str, Any]:
    """The fields of a schedule of `owner`'s that is as `body` says; it is first due after now.

    `***` in its config stands for a secret of the schedule as it was `before`, or of the assistant, if it is `owner`'s.

    Raises `NotFound` for a thread that is not theirs or an assistant they cannot see, `BadRequest` where neither the
    body nor the thread has an assistant, `Invalid` for input, config, times or a time zone that cannot be.
    """
    thread = find(Thread.objects.owned_by(owner).select_related("assistant"), body.thread_id, what="Thread")
    assistant = None
    if body.assistant_id is not None:
        assistant = find(Assistant.objects.visible_to(owner), body.assistant_id, what="Assistant")
    elif thread.assistant_id is None:
        raise BadRequest("Thread has no assistant")
    messages = parse_messages(body.input, "body", "input", removals=False)
    config = {} if body.config is None else body.config.model_dump(exclude_none=True)
    stored = [before.sealed] if before else []
    sealed = check_and_seal(
        config, "body", "config", owner=owner, stored=[*stored, *may_keep(owner, assistant or thread.assistant)]
    )
    try:
        next_at = next_time(cron=body.cron, timezone=body.timezone, after=timezone.now())
    except Unschedulable as exc:
        value = getattr(body, exc.field)
        raise Invalid.at("body", exc.field, msg=exc.message, value=value) from exc
    return {
        "thread": thread,
        "assistant": assistant,
        "follows_thread": assistant is None,
        "cron": body.cron,
        "timezone": body.timezone,
        "input": [{name: value for name, value in message.items() if name != "id"} for message in messages],
        "config": sealed.config,
        "secrets": sealed.secrets,
        "enabled": body.enabled,
        "next_at": next_at if body.enabled else None,
    }
