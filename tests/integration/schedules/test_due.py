"""What is due is run once, whatever happens, and what cannot be run says why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from runs import services
from runs.models import Run, RunStatus
from schedules import due
from schedules.due import run_due_schedules
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.schedules.making import make_due, post_schedule, said, tick
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def schedule(alice: APIClient) -> Schedule:
    return post_schedule(alice, alice.make_thread())


def end_runs() -> None:
    Run.objects.update(status=RunStatus.SUCCESS)


def test_what_is_due_is_run_and_moves_on(schedule: Schedule) -> None:
    assert tick() == 0
    make_due(schedule)
    before = timezone.now()
    assert tick() == 1
    run = Run.objects.get()
    assert (run.thread_id, run.owner, run.status) == (schedule.thread_id, schedule.owner, RunStatus.PENDING)
    assert run.assistant_id == schedule.thread.assistant_id
    assert said(run) == ["hello"]
    schedule.refresh_from_db()
    assert (schedule.last_run, schedule.last_error) == (run, "")
    assert schedule.last_at is not None
    assert before <= schedule.last_at <= timezone.now()
    assert schedule.next_at is not None
    assert timedelta(0) < schedule.next_at - schedule.last_at <= timedelta(days=1)
    assert tick() == 0
    assert Run.objects.count() == 1


def test_times_that_were_missed_are_run_once(schedule: Schedule) -> None:
    make_due(schedule, ago=timedelta(days=30))
    now = datetime(2030, 1, 1, 8, 30, tzinfo=UTC)
    assert run_due_schedules(now=now) == 1
    schedule.refresh_from_db()
    assert schedule.next_at == datetime(2030, 1, 1, 9, tzinfo=UTC)
    assert Run.objects.count() == 1


def test_each_run_adds_messages_of_its_own(alice: APIClient) -> None:
    messages = [{"type": "human", "content": "hello", "id": "mine"}]
    schedule = post_schedule(alice, alice.make_thread(), input=messages)
    for _ in range(2):
        make_due(schedule)
        assert tick() == 1
        end_runs()
    ids = {message["id"] for run in Run.objects.all() for message in run.input or []}
    assert len(ids) == 2
    assert "mine" not in ids


def test_what_is_longest_overdue_is_first(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    schedules = [post_schedule(alice, alice.make_thread()) for _ in range(3)]
    for minutes, schedule in zip((2, 3, 1), schedules, strict=True):
        make_due(schedule, ago=timedelta(minutes=minutes))
    monkeypatch.setattr(due, "BATCH", 2)
    assert tick() == 2
    assert set(Run.objects.values_list("thread_id", flat=True)) == {row.thread_id for row in schedules[:2]}
    assert tick() == 1
    assert tick() == 0


def test_the_named_assistant_and_config_are_run(alice: APIClient) -> None:
    assistant = alice.make_assistant()
    config = {"configurable": {"type": "chatbot", "user_id": "bob"}}
    schedule = post_schedule(alice, alice.make_thread(), assistant_id=assistant, config=config)
    make_due(schedule)
    assert tick() == 1
    run = Run.objects.get()
    assert str(run.assistant_id) == assistant
    assert run.config == {"configurable": {"type": "chatbot"}}


def test_the_threads_assistant_is_the_one_it_has_by_then(alice: APIClient, schedule: Schedule) -> None:
    other = alice.make_assistant()
    alice("PUT", f"/threads/{schedule.thread_id}", {"name": "t", "assistant_id": other})
    make_due(schedule)
    assert tick() == 1
    assert str(Run.objects.get().assistant_id) == other


def make_private(schedule: Schedule) -> None:
    root = User.objects.create(username="another")
    Assistant.objects.filter(schedules=schedule).update(owner=root, public=False)


def delete_named_assistant(schedule: Schedule) -> None:
    Assistant.objects.filter(schedules=schedule).delete()


def take_assistants_away(schedule: Schedule) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(assistant=None, follows_thread=True)
    Thread.objects.filter(pk=schedule.thread_id).update(assistant=None)


def deactivate(schedule: Schedule) -> None:
    User.objects.filter(pk=schedule.owner_id).update(is_active=False)


def begin_another(schedule: Schedule) -> None:
    make_due(schedule)
    assert tick() == 1


def break_config(schedule: Schedule) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(config={"configurable": {"type": "no such type"}})


@pytest.mark.parametrize(
    ("break_it", "error", "runs"),
    [
        (make_private, "Assistant not found", 0),
        (delete_named_assistant, "The assistant of this schedule was deleted.", 0),
        (take_assistants_away, "Thread has no assistant", 0),
        (deactivate, "The user of this schedule is not active.", 0),
        (begin_another, "The run before this one had not ended.", 1),
        (break_config, "type should be one of", 0),
    ],
)
def test_a_schedule_that_cannot_run_says_why_and_waits_for_its_next_time(
    alice: APIClient, break_it: Any, error: str, runs: int
) -> None:
    schedule = post_schedule(alice, alice.make_thread(), assistant_id=alice.make_assistant())
    break_it(schedule)
    make_due(schedule)
    assert tick() == 1
    assert Run.objects.count() == runs
    schedule.refresh_from_db()
    assert error in schedule.last_error
    assert schedule.enabled
    assert schedule.next_at is not None
    assert schedule.next_at > timezone.now()


def test_what_went_wrong_is_forgotten_when_it_works_again(schedule: Schedule) -> None:
    User.objects.update(is_active=False)
    make_due(schedule)
    assert tick() == 1
    User.objects.update(is_active=True)
    make_due(schedule)
    assert tick() == 1
    schedule.refresh_from_db()
    assert (schedule.last_error, schedule.last_run) == ("", Run.objects.get())


@pytest.mark.parametrize("change", [{"timezone": "Europe/Gone"}, {"cron": "0 0 30 2 *"}])
def test_a_schedule_without_a_next_time_is_switched_off(schedule: Schedule, change: dict[str, str]) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(**change)
    make_due(schedule)
    assert tick() == 1
    schedule.refresh_from_db()
    assert (schedule.enabled, schedule.next_at) == (False, None)
    assert schedule.last_error
    assert schedule.last_run == Run.objects.get()


def test_what_breaks_one_schedule_does_not_keep_the_others(
    alice: APIClient, schedule: Schedule, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = post_schedule(alice, alice.make_thread())
    make_due(schedule, ago=timedelta(hours=1))
    make_due(other)
    create = services.create_run

    def fail_for_first(*, owner: User, body: Any, stored: Any) -> Run:
        run = create(owner=owner, body=body, stored=stored)
        if body.thread_id == str(schedule.thread_id):
            raise KeyError("a fault")
        return run

    monkeypatch.setattr(due, "create_run", fail_for_first)
    assert tick() == 2
    assert Run.objects.get().thread_id == other.thread_id
    assert f"the schedule {schedule.pk} cannot be run" in caplog.text
    monkeypatch.undo()
    assert tick() == 0
    make_due(schedule)
    assert tick() == 1
    assert set(Run.objects.values_list("thread_id", flat=True)) == {schedule.thread_id, other.thread_id}


def test_those_that_fail_each_time_do_not_take_the_turns_of_the_others(
    alice: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [post_schedule(alice, alice.make_thread()) for _ in range(3)]
    other = post_schedule(alice, alice.make_thread())
    make_due(*failing, ago=timedelta(hours=1))
    make_due(other)
    # As where what was accepted once is no longer: no error of ours, for which there would be words.
    Schedule.objects.filter(pk__in=[schedule.pk for schedule in failing]).update(config={"configurable": "none"})
    monkeypatch.setattr(due, "BATCH", 2)
    assert [tick() for _ in range(3)] == [2, 2, 0]
    assert Run.objects.get().thread_id == other.thread_id
    for schedule in failing:
        schedule.refresh_from_db()
        assert schedule.last_error == "Internal Server Error"
        assert schedule.last_at is not None
        assert schedule.next_at is not None
        assert schedule.next_at > timezone.now()


def test_without_the_database_nothing_is_tried_further(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    make_due(schedule)

    def fail(**_: Any) -> Run:
        raise OperationalError

    monkeypatch.setattr(due, "create_run", fail)
    with pytest.raises(OperationalError):
        tick()
    monkeypatch.undo()
    assert tick() == 1


def test_what_was_moved_on_meanwhile_is_not_run(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    make_due(schedule)
    create = services.create_run

    def create_late(*, owner: User, body: Any, stored: Any) -> Run:
        Schedule.objects.update(next_at=timezone.now() + timedelta(days=1))
        return create(owner=owner, body=body, stored=stored)

    monkeypatch.setattr(due, "create_run", create_late)
    assert tick() == 0
    assert not Run.objects.exists()


def test_the_database_itself_keeps_what_is_off_from_being_due(schedule: Schedule) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Schedule.objects.update(enabled=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        Schedule.objects.update(next_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Schedule.objects.update(assistant=schedule.thread.assistant, follows_thread=True)


def test_a_schedule_goes_with_its_thread_and_stays_without_its_runs(alice: APIClient, schedule: Schedule) -> None:
    make_due(schedule)
    assert tick() == 1
    Run.objects.all().delete()
    schedule.refresh_from_db()
    assert schedule.last_run is None
    alice("DELETE", f"/threads/{schedule.thread_id}")
    assert not Schedule.objects.exists()
