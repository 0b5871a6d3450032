"""Schedules in the admin: staff see everyone's, make them, change them, and have them run at once."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from assistants.models import Assistant
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.admin.test_pages import HOSTILE, page, staff
from tests.integration.schedules.making import DAILY, make_due, post_schedule, said, tick

__all__ = ["staff"]

pytestmark = pytest.mark.django_db

LIST = "/admin/schedules/schedule/"


@pytest.fixture
def thread() -> str:
    return APIClient("alice").make_thread(name="the thread")


def form(**fields: Any) -> dict[str, Any]:
    return {
        "cron": DAILY,
        "timezone": "Europe/Berlin",
        "assistant": "",
        "input": '[{"type": "human", "content": "hello"}]',
        "config": "{}",
        "enabled": "on",
        **fields,
    }


def change(schedule: Schedule) -> str:
    return f"{LIST}{schedule.pk}/change/"


def test_the_pages(staff: Client, thread: str) -> None:
    alice = APIClient("alice")
    schedules = [
        post_schedule(alice, alice.make_thread(name=f"thread {number}"), input=[{"type": "human", "content": HOSTILE}])
        for number in range(30)
    ]
    make_due(*schedules)
    assert tick() == 30
    shown = page(staff, LIST)
    assert "thread 7" in shown
    assert DAILY in shown
    assert "thread 7" in page(staff, f"{LIST}?q=thread+7&enabled__exact=1")
    assert "30 schedules" in page(staff, f"{LIST}?last_error__isempty=1")
    shown = page(staff, change(schedules[0]))
    assert HOSTILE not in shown
    run = Run.objects.get(thread=schedules[0].thread)
    assert f"/admin/runs/run/{run.pk}/change/" in shown
    assert 'name="next_at' not in shown
    assert 'name="thread"' not in shown
    assert 'name="thread"' in page(staff, f"{LIST}add/")


def test_a_schedule_is_made_for_the_owner_of_its_thread(staff: Client, thread: str, settings: Any) -> None:
    settings.SCHEDULES_PER_USER = 0
    assistant = APIClient("alice").make_assistant()
    assert staff.post(f"{LIST}add/", form(thread=thread, assistant=assistant)).status_code == 302
    schedule = Schedule.objects.get()
    assert (str(schedule.thread_id), schedule.owner.username, str(schedule.assistant_id)) == (
        thread,
        "alice",
        assistant,
    )
    assert (schedule.cron, schedule.timezone, schedule.enabled) == (DAILY, "Europe/Berlin", True)
    assert [message["content"] for message in schedule.input] == ["hello"]
    assert schedule.next_at is not None
    assert APIClient("alice")("GET", f"/schedules/{schedule.pk}").status_code == 200


def test_a_schedule_is_changed_and_what_is_due_stays_so(staff: Client, thread: str) -> None:
    schedule = post_schedule(APIClient("alice"), thread, timezone="Europe/Berlin")
    make_due(schedule)
    assert staff.post(change(schedule), form(input="", config="")).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.input, schedule.config) == ([], {})
    assert tick() == 1
    assert Run.objects.get().input == []
    assert staff.post(change(schedule), form(cron="* * * * *", enabled="")).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.enabled, schedule.next_at) == ("* * * * *", False, None)
    assert schedule.last_run == Run.objects.get()


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("cron", "", "This field is required."),
        ("cron", "0 9 * *", "This should be five fields"),
        ("cron", "0 99 * * *", "99 is nothing that the hour of"),
        ("cron", "0 0 30 2 *", "at no time"),
        ("timezone", "Europe/Nowhere", "Select a valid choice."),
        ("thread", "", "This field is required."),
        ("input", "{", "Enter a valid JSON."),
        ("input", '"hello"', "valid list"),
        ("input", '[{"type": "human"}]', "content"),
        ("input", '[{"type": "martian", "content": "x"}]', "Input should be one of"),
        ("config", "[]", "Input should be"),
        ("config", '{"configurable": {"type": "nothing"}}', "should be one of"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(staff: Client, thread: str, field: str, value: str, complaint: str) -> None:
    response = staff.post(f"{LIST}add/", {**form(thread=thread), field: value})
    assert response.status_code == 200
    assert complaint in str(response.context["adminform"].form.errors.get(field)), response.context[
        "adminform"
    ].form.errors
    assert not Schedule.objects.exists()


def test_an_assistant_that_the_owner_cannot_see_is_refused(staff: Client, thread: str) -> None:
    private = APIClient("bob").make_assistant()
    response = staff.post(f"{LIST}add/", form(thread=thread, assistant=private))
    assert "Assistant not found" in str(response.context["adminform"].form.errors.get("assistant"))
    Assistant.objects.filter(owner__username="alice").delete()
    response = staff.post(f"{LIST}add/", form(thread=thread))
    assert "Thread has no assistant" in str(response.context["adminform"].form.non_field_errors())
    assert not Schedule.objects.exists()


def test_schedules_are_run_now(staff: Client, thread: str) -> None:
    alice = APIClient("alice")
    works = post_schedule(alice, thread, enabled=False)
    broken = post_schedule(alice, thread, assistant_id=alice.make_assistant())
    alice("DELETE", f"/assistants/{broken.assistant_id}")
    chosen = {"action": "run_now", "_selected_action": [works.pk, broken.pk]}
    shown = staff.post(LIST, chosen, follow=True).content.decode()
    assert "1 runs began." in shown
    assert "The assistant of this schedule was deleted." in shown
    run = Run.objects.get()
    assert said(run) == ["hello"]
    works.refresh_from_db()
    assert (works.last_run, works.enabled, works.next_at) == (run, False, None)
    assert works.last_at is not None


def test_who_may_only_look_runs_nothing(client: Client, thread: str, django_user_model: Any) -> None:
    schedule = post_schedule(APIClient("alice"), thread)
    user = django_user_model.objects.create_user("looker", password="secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_schedule"))
    client.force_login(user)
    assert client.get(LIST).status_code == 200
    client.post(LIST, {"action": "run_now", "_selected_action": [schedule.pk]})
    assert client.post(change(schedule), form()).status_code == 403
    assert not Run.objects.exists()


def test_schedules_are_deleted(staff: Client, thread: str) -> None:
    alice = APIClient("alice")
    first, second = post_schedule(alice, thread), post_schedule(alice, thread)
    assert staff.post(f"{LIST}{first.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Schedule.objects.all()) == [second]
    assert staff.post(f"/admin/threads/thread/{thread}/delete/", {"post": "yes"}).status_code == 302
    assert not Schedule.objects.exists()
