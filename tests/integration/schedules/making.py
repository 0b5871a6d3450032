"""Schedules for tests: made by the API, and made due."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from runs.models import Run
from schedules.due import run_due_schedules
from schedules.models import Schedule
from tests.client import APIClient

DAILY = "0 9 * * *"
HELLO = [{"type": "human", "content": "hello"}]


def post_schedule(client: APIClient, thread: str, **fields: Any) -> Schedule:
    """A daily schedule of `client`'s that says hello, but for `fields`."""
    answer = client("POST", "/schedules", {"thread_id": thread, "cron": DAILY, "input": HELLO, **fields})
    assert answer.status_code == 200, answer.content
    return Schedule.objects.get(pk=answer.json()["schedule_id"])


def make_due(*schedules: Schedule, ago: timedelta = timedelta(minutes=1)) -> None:
    """Let it have been due so long ago."""
    due = timezone.now() - ago
    assert Schedule.objects.filter(pk__in=[schedule.pk for schedule in schedules]).update(next_at=due) == len(schedules)


def said(run: Run) -> list[str]:
    """What the messages are that a run was begun with."""
    return [message["content"] for message in run.input or []]


def tick() -> int:
    """Run what is due now; how many schedules were moved on."""
    return run_due_schedules(now=timezone.now())
