"""Many look at the clock at once, and others delete what they run: nothing is run twice, and nobody fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from accounts.models import User
from opengpts.errors import Conflict
from runs.models import Run
from schedules import services
from schedules.models import Schedule
from schedules.schemas import ScheduleBody
from schedules.services import create_schedule, put_schedule
from tests.client import APIClient
from tests.integration.schedules.making import DAILY, HELLO, make_due, post_schedule, tick

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 4


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


def at_once(*works: Any) -> list[Any]:
    """Do all of these in threads that begin together; what they return. Raises what one of them raises."""
    ready = threading.Barrier(len(works))

    def do(work: Any) -> Any:
        try:
            ready.wait(timeout=30)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result() for done in [pool.submit(do, work) for work in works]]


def test_what_is_due_is_run_once_whoever_looks(alice: APIClient) -> None:
    schedules = [post_schedule(alice, alice.make_thread()) for _ in range(10)]
    for number in range(1, 4):
        make_due(*schedules)
        assert sum(at_once(*[tick] * AT_ONCE)) == len(schedules)
        assert Run.objects.count() == number * len(schedules)
        for schedule in schedules:
            assert schedule.thread.runs.count() == number
        Run.objects.update(status="success")


def test_threads_and_assistants_can_be_deleted_meanwhile(alice: APIClient) -> None:
    assistants = [alice.make_assistant() for _ in range(20)]
    schedules = [post_schedule(alice, alice.make_thread(), assistant_id=assistant) for assistant in assistants]
    kept, gone = schedules[::2], schedules[1::2]
    make_due(*schedules)

    def delete_threads() -> None:
        for schedule in gone:
            assert APIClient("alice")("DELETE", f"/threads/{schedule.thread_id}").status_code == 200

    def delete_assistants() -> None:
        for schedule in kept:
            assert APIClient("alice")("DELETE", f"/assistants/{schedule.assistant_id}").status_code == 200

    at_once(tick, tick, delete_threads, delete_assistants)
    assert set(Schedule.objects.all()) == set(kept)
    for schedule in kept:
        schedule.refresh_from_db()
        # Either it was run before its assistant was deleted, or it says that it was.
        assert schedule.thread.runs.count() == (0 if schedule.last_error else 1)
        assert schedule.assistant_id is None


def test_a_change_meanwhile_does_not_have_it_run_twice(alice: APIClient) -> None:
    schedule = post_schedule(alice, alice.make_thread())
    owner = schedule.owner
    body = ScheduleBody(thread_id=str(schedule.thread_id), cron=DAILY, input=HELLO)

    def change() -> None:
        for _ in range(20):
            put_schedule(owner=owner, schedule_id=schedule.pk, body=body)

    make_due(schedule)
    at_once(change, tick, lambda: [tick() for _ in range(20)])
    assert tick() == 0
    assert Run.objects.count() == 1


def test_two_requests_do_not_both_find_room_for_the_last(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = alice.make_thread()
    owner = User.objects.get(username="alice")
    # Both have checked what they are to write before either writes.
    checked = threading.Barrier(AT_ONCE)
    check = services.check_schedule

    def check_together(**asked: Any) -> Any:
        fields = check(**asked)
        checked.wait(timeout=30)
        return fields

    monkeypatch.setattr(services, "check_schedule", check_together)

    def create() -> bool:
        try:
            create_schedule(owner=owner, body=ScheduleBody(thread_id=thread, cron=DAILY), at_most=2)
        except Conflict:
            return False
        return True

    assert sum(at_once(*[create] * AT_ONCE)) == 2
    assert Schedule.objects.count() == 2
