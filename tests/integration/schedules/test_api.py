"""`/schedules`: what can be asked for, what is shown, and what is refused."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from assistants.models import Assistant
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.schedules.making import DAILY, HELLO, make_due, post_schedule, said, tick

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def thread(alice: APIClient) -> str:
    return alice.make_thread()


def test_a_schedule_is_made_shown_and_deleted(alice: APIClient, thread: str) -> None:
    assistant = alice.make_assistant()
    body = {
        "thread_id": thread,
        "cron": "30 9 * * *",
        "timezone": "Asia/Kolkata",
        "assistant_id": assistant,
        "input": {"messages": [{"role": "user", "content": "hello"}]},
        "config": {"configurable": {"type": "chatbot"}},
    }
    before = datetime.now(UTC)
    made = alice("POST", "/schedules", body).json()
    next_at = datetime.fromisoformat(made.pop("next_at"))
    assert before < next_at <= datetime.now(UTC) + timedelta(days=1)
    assert next_at.time().isoformat() == "04:00:00"
    message = made.pop("input")[0]
    assert (message["type"], message["content"]) == ("human", "hello")
    assert "id" not in message
    assert datetime.fromisoformat(made.pop("created_at")) >= before
    path = f"/schedules/{made.pop('schedule_id')}"
    assert made == {
        "user_id": "alice",
        "thread_id": thread,
        "assistant_id": assistant,
        "cron": "30 9 * * *",
        "timezone": "Asia/Kolkata",
        "config": {"configurable": {"type": "chatbot"}},
        "enabled": True,
        "last_at": None,
        "last_run_id": None,
        "last_error": None,
    }
    assert alice("GET", path).json().items() >= made.items()
    assert alice("DELETE", path).json() == {"status": "ok"}
    assert alice("GET", path).status_code == 404
    assert alice("DELETE", path).json() == {"status": "ok"}


def test_the_defaults(alice: APIClient, thread: str) -> None:
    made = alice("POST", "/schedules/", {"thread_id": thread, "cron": DAILY}).json()
    shown = {name: made[name] for name in ("timezone", "assistant_id", "input", "config", "enabled")}
    assert shown == {"timezone": "UTC", "assistant_id": None, "input": [], "config": {}, "enabled": True}


def test_what_happened_is_shown(alice: APIClient, thread: str) -> None:
    schedule = post_schedule(alice, thread)
    for active, error in ((True, None), (False, "The user of this schedule is not active.")):
        User.objects.update(is_active=active)
        make_due(schedule)
        assert tick() == 1
        Run.objects.update(status="success")
        User.objects.update(is_active=True)
        shown = alice("GET", f"/schedules/{schedule.pk}").json()
        assert shown["last_error"] == error
        assert shown["last_run_id"] == str(Run.objects.get().pk)
        assert shown["last_at"] < shown["next_at"]


def test_the_list_is_ones_own_and_newest_first(alice: APIClient, thread: str) -> None:
    made = [str(post_schedule(alice, thread).pk) for _ in range(3)]
    bob = APIClient("bob")
    post_schedule(bob, bob.make_thread())
    listed = alice("GET", "/schedules")
    assert [row["schedule_id"] for row in listed.json()] == made[::-1]
    page = alice("GET", "/schedules/?limit=1&offset=1")
    assert [row["schedule_id"] for row in page.json()] == [made[1]]
    assert page.headers["X-Total-Count"] == "3"


def test_a_schedule_is_replaced(alice: APIClient, thread: str) -> None:
    schedule = post_schedule(alice, thread, timezone="Asia/Kolkata", assistant_id=alice.make_assistant())
    other = alice.make_thread()
    changed = alice("PUT", f"/schedules/{schedule.pk}", {"thread_id": other, "cron": "* * * * *"})
    shown = changed.json()
    assert (shown["thread_id"], shown["assistant_id"], shown["timezone"]) == (other, None, "UTC")
    assert datetime.fromisoformat(shown["next_at"]) - datetime.now(UTC) <= timedelta(minutes=1)
    assert alice("GET", f"/schedules/{schedule.pk}").json() == shown
    assert Schedule.objects.count() == 1


def test_a_schedule_can_be_switched_off_and_on(alice: APIClient, thread: str) -> None:
    schedule = post_schedule(alice, thread)
    Schedule.objects.update(last_error="old news")
    make_due(schedule)
    body = {"thread_id": thread, "cron": DAILY, "input": HELLO}
    off = alice("PUT", f"/schedules/{schedule.pk}", {**body, "enabled": False}).json()
    assert (off["enabled"], off["next_at"], off["last_error"]) == (False, None, None)
    assert tick() == 0
    on = alice("PUT", f"/schedules/{schedule.pk}", {**body, "enabled": True}).json()
    assert on["enabled"]
    assert datetime.fromisoformat(on["next_at"]) > datetime.now(UTC)
    assert tick() == 0


def test_what_is_due_stays_so_when_only_what_is_said_changes(alice: APIClient, thread: str) -> None:
    schedule = post_schedule(alice, thread)
    make_due(schedule)
    words = [{"type": "human", "content": "other words"}]
    alice("PUT", f"/schedules/{schedule.pk}", {"thread_id": thread, "cron": DAILY, "input": words})
    assert tick() == 1
    assert said(Run.objects.get()) == ["other words"]


@pytest.mark.parametrize(
    ("field", "value", "loc", "complaint"),
    [
        ("cron", "0 9 * *", ["body", "cron"], "five fields"),
        ("cron", "0 25 * * *", ["body", "cron"], "25 is nothing that the hour of a cron expression can be."),
        ("cron", "0 0 31 2 *", ["body", "cron"], "at no time"),
        ("cron", 5, ["body", "cron"], "valid string"),
        ("timezone", "Europe/Nowhere", ["body", "timezone"], "name of a time zone"),
        ("input", None, ["body", "input"], "valid list"),
        ("input", "hello", ["body", "input"], "valid list"),
        ("input", [{"type": "human"}], ["body", "input", 0], "content"),
        ("input", [{"type": "remove", "id": "x"}], ["body", "input", 0, "type"], "removed"),
        (
            "config",
            {"configurable": {"type": "nothing"}},
            ["body", "config", "configurable", "type"],
            "should be one of",
        ),
        ("enabled", "perhaps", ["body", "enabled"], "valid boolean"),
    ],
)
def test_what_is_wrong_is_refused(
    alice: APIClient, thread: str, field: str, value: Any, loc: list[Any], complaint: str
) -> None:
    schedule = post_schedule(alice, thread)
    body = {"thread_id": thread, "cron": DAILY, field: value}
    before = list(Schedule.objects.values())
    for method, path in (("POST", "/schedules"), ("PUT", f"/schedules/{schedule.pk}")):
        refused = alice(method, path, body)
        assert refused.status_code == 422, refused.content
        detail = refused.json()["detail"][0]
        assert detail["loc"][: len(loc)] == loc
        assert complaint in detail["msg"]
    assert list(Schedule.objects.values()) == before


@pytest.mark.parametrize("missing", ["thread_id", "cron"])
def test_what_is_missing_is_said(alice: APIClient, thread: str, missing: str) -> None:
    body = {"thread_id": thread, "cron": DAILY}
    del body[missing]
    refused = alice("POST", "/schedules", body)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", missing]


def test_what_is_not_there_is_not_found(alice: APIClient, thread: str) -> None:
    body = {"thread_id": thread, "cron": DAILY}
    for unknown in (str(uuid.uuid4()), "no-id"):
        assert alice("GET", f"/schedules/{unknown}").status_code == 404
        assert alice("PUT", f"/schedules/{unknown}", body).json() == {"detail": "Schedule not found"}
        assert alice("POST", "/schedules", {**body, "thread_id": unknown}).json() == {"detail": "Thread not found"}
        assert alice("POST", "/schedules", {**body, "assistant_id": unknown}).json() == {
            "detail": "Assistant not found"
        }
    assert not Schedule.objects.exists()


def test_a_thread_without_an_assistant_needs_one_named(alice: APIClient, thread: str) -> None:
    Assistant.objects.filter(threads__pk=thread).delete()
    refused = alice("POST", "/schedules", {"thread_id": thread, "cron": DAILY})
    assert (refused.status_code, refused.json()) == (400, {"detail": "Thread has no assistant"})
    named = alice("POST", "/schedules", {"thread_id": thread, "cron": DAILY, "assistant_id": alice.make_assistant()})
    assert named.status_code == 200


def test_public_assistants_of_others_can_be_scheduled_and_private_ones_not(alice: APIClient, thread: str) -> None:
    bob = APIClient("bob")
    body = {"thread_id": thread, "cron": DAILY}
    assert alice("POST", "/schedules", {**body, "assistant_id": bob.make_assistant(public=True)}).status_code == 200
    assert alice("POST", "/schedules", {**body, "assistant_id": bob.make_assistant()}).status_code == 404


def test_a_user_may_have_so_many(alice: APIClient, thread: str, settings: Any) -> None:
    settings.SCHEDULES_PER_USER = 2
    first, _ = post_schedule(alice, thread), post_schedule(alice, thread, enabled=False)
    body = {"thread_id": thread, "cron": DAILY}
    refused = alice("POST", "/schedules", body)
    assert refused.status_code == 409
    assert "2 schedules" in refused.json()["detail"]
    assert alice("PUT", f"/schedules/{first.pk}", body).status_code == 200
    bob = APIClient("bob")
    post_schedule(bob, bob.make_thread())
    alice("DELETE", f"/schedules/{first.pk}")
    assert alice("POST", "/schedules", body).status_code == 200


def test_it_is_documented(alice: APIClient) -> None:
    paths = alice("GET", "/openapi.json").json()["paths"]
    assert set(paths["/schedules/"]) == {"get", "post"}
    assert set(paths["/schedules/{id}/"]) == {"get", "put", "delete"}
