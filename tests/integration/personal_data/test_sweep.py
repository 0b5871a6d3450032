"""After a deletion nothing is left of what was deleted: in no column of any table, no file, no event log.

Each test first sees that the marker is where it should be: a sweep that finds nothing anywhere would prove nothing.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEntry
from personal_data.upkeep import LOOK_BACK, go_round
from runs import event_log as event_logs
from runs.event_log.memory import MemoryEventLog
from runs.event_log.redis import RedisEventLog
from runs.executors import executor
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.personal_data.marked import (
    MARKER,
    Marked,
    end_runs,
    event_about,
    find_marker,
    log_in,
    make_marked,
)
from tests.redis_contents import keys_with
from threads.models import Checkpoint, Image, Message, Thread

pytestmark = pytest.mark.django_db(transaction=True)

OF_THREAD = {
    "threads_thread.name",
    "threads_message.content",
    "threads_message.data",
    "threads_checkpointwrite.value",
    "runs_run.input",
    "runs_run.config",
    "schedules_schedule.input",
}
OF_ASSISTANT = {"assistants_assistant.name", "assistants_assistant.config"}
OF_DOCUMENTS = {"knowledge_document.name", "knowledge_chunk.text", "knowledge_documentcontent.data"}


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="secret")


def columns() -> set[str]:
    """The columns in which the marker is."""
    return {place for place in find_marker() if not place.startswith("/")}


def go_on() -> None:
    """What a server does by itself within a minute."""
    go_round(since=timezone.now() - LOOK_BACK)


def test_a_thread(folder: Path) -> None:
    marked = make_marked()
    assert columns() >= OF_THREAD | OF_ASSISTANT | OF_DOCUMENTS | {"audit_auditentry.label"}
    assert list((folder / "images").iterdir())
    APIClient()("DELETE", f"/threads/{marked.thread}")
    go_on()
    left = columns()
    assert not left & OF_THREAD
    assert left >= OF_ASSISTANT | OF_DOCUMENTS
    assert not list((folder / "images").iterdir())
    APIClient()("DELETE", f"/assistants/{marked.assistant}")
    go_on()
    assert find_marker() == []


def test_documents() -> None:
    marked = make_marked()
    for document in marked.documents:
        APIClient()("DELETE", f"/documents/{document}")
    go_on()
    left = columns()
    assert not {column for column in left if column.startswith("knowledge_")}
    assert left >= OF_THREAD | OF_ASSISTANT
    entries = AuditEntry.objects.filter(kind="knowledge.document")
    assert entries.count() == 8
    assert not entries.exclude(label="").exists()


def test_a_run() -> None:
    make_marked()
    end_runs()
    run = Run.objects.get()
    APIClient()("DELETE", f"/runs/{run.pk}")
    assert not {column for column in columns() if column.startswith("runs_run")}


def test_an_assistant_whose_threads_of_others_stay() -> None:
    marked = make_marked()
    bob = APIClient("bob")
    thread = bob.make_thread(marked.assistant, name="bob's")
    bob("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": "bob's own"}]})
    APIClient()("DELETE", f"/assistants/{marked.assistant}")
    go_on()
    left = columns()
    assert not left & OF_ASSISTANT
    assert left >= OF_THREAD
    assert Message.objects.filter(thread__id=thread, content="bob's own").exists()
    APIClient()("DELETE", f"/threads/{marked.thread}")
    go_on()
    assert find_marker() == []


@pytest.mark.parametrize("kind", ["threads/thread", "assistants/assistant"])
def test_by_staff(root: User, kind: str) -> None:
    marked = make_marked()
    pk = marked.thread if kind == "threads/thread" else marked.assistant
    assert log_in(root).post(f"/admin/{kind}/{pk}/delete/", {"post": "yes"}).status_code == 302
    go_on()
    assert not columns() & (OF_THREAD if kind == "threads/thread" else OF_ASSISTANT)
    assert not {place for place in columns() if place.startswith("django_admin_log")}


def delete_by_command(marked: Marked, root: User) -> None:
    call_command("delete_user", marked.user.username, "--yes")


def delete_by_page(marked: Marked, root: User) -> None:
    address = f"/admin/accounts/user/{marked.user.pk}/delete/"
    staff = log_in(root)
    assert "message" in staff.get(address).content.decode()
    assert staff.post(address, {"post": "yes"}).status_code == 302


def delete_by_action(marked: Marked, root: User) -> None:
    chosen = {"action": "delete_selected", "_selected_action": marked.user.pk, "post": "yes"}
    assert log_in(root).post("/admin/accounts/user/", chosen).status_code == 302


@pytest.mark.parametrize("delete", [delete_by_command, delete_by_page, delete_by_action])
def test_a_user(root: User, folder: Path, delete: Any) -> None:
    bob = make_bob()
    # The user id itself is personal, too.
    marked = make_marked(f"{MARKER}-alice")
    log_in(marked.user)
    staff = log_in(root)
    assert staff.post(f"/admin/threads/thread/{make_other(marked)}/delete/", {"post": "yes"}).status_code == 302
    changed = {
        "username": marked.user.username,
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "9:00",
    }
    assert staff.post(f"/admin/accounts/user/{marked.user.pk}/change/", changed).status_code == 302
    assert columns() >= {"accounts_user.username", "audit_auditentry.actor_name", "django_admin_log.object_repr"}
    delete(marked, root)
    go_on()
    assert find_marker() == []
    for model in (Run, Schedule, Image):
        assert not model.objects.exists()
    assert not list((folder / "images").iterdir())
    # What others have stays, and so does what was done, by a name that says nothing.
    assert "bob's own" in str(bob("GET", f"/threads/{Thread.objects.get().pk}/state").json())
    assert (Message.objects.count(), Checkpoint.objects.count()) == (1, 1)
    gone = AuditEntry.objects.filter(owner_name__startswith="deleted user ")
    assert set(gone.values_list("action", flat=True)) >= {"created", "deactivated", "deleted", "shared"}
    assert len(set(gone.values_list("owner_name", flat=True))) == 1
    last = AuditEntry.objects.get(kind="accounts.user", action="deleted")
    assert (last.target_id, last.way) == (str(marked.user.pk), "command" if delete is delete_by_command else "admin")


def make_bob() -> APIClient:
    bob = APIClient("bob")
    thread = bob.make_thread(name="bob's")
    bob("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": "bob's own"}]})
    return bob


def make_other(marked: Marked) -> str:
    return APIClient(marked.user.username).make_thread(marked.assistant, name=f"{MARKER} other")


def test_a_user_of_whom_a_login_is_left(root: User) -> None:
    marked = make_marked()
    theirs, other = log_in(marked.user), log_in(root)
    call_command("delete_user", "alice", "--yes")
    assert [session.pk for session in Session.objects.all()] == [other.session.session_key]
    assert theirs.session.session_key not in (None, other.session.session_key)


def test_events_in_redis(redis_url: str, settings: Any) -> None:
    settings.REDIS_URL, settings.REDIS_PREFIX = redis_url, "sweep"
    event_logs.event_log.cache_clear()
    try:
        marked = make_marked()
        log = RedisEventLog(redis_url, prefix="sweep", length=100, ttl=600)

        async def append() -> None:
            await log.append(*event_about(marked.thread), floor=0)
            await log.aclose()

        asyncio.run(append())
        assert keys_with(redis_url, MARKER)
        call_command("delete_user", "alice", "--yes")
        assert keys_with(redis_url, MARKER) == []
    finally:
        event_logs.event_log.cache_clear()


async def test_events_in_memory() -> None:
    log = MemoryEventLog(length=100, ttl=600)
    thread, run, events = event_about("0" * 32)
    await log.append(thread, run, events, floor=0)
    await log.forget(thread)
    assert MARKER not in repr(log._logs)


@pytest.mark.skipif(not django_settings.ON_POSTGRESQL, reason="the queue is in PostgreSQL")
def test_jobs_that_wait(settings: Any) -> None:
    settings.RUN_EXECUTOR = "procrastinate"
    executor.cache_clear()
    try:
        make_marked()
        make_bob()
        bob = APIClient("bob")
        bob("POST", "/runs", {"thread_id": str(Thread.objects.get(owner__username="bob").pk), "input": []})
        assert len(jobs()) == 2
        call_command("delete_user", "alice", "--yes")
        assert jobs() == [str(Run.objects.get().pk)]
    finally:
        executor.cache_clear()


def jobs() -> list[str]:
    """The runs that have jobs which wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo'")
        return [lock for (lock,) in cursor.fetchall()]


@pytest.mark.skipif(django_settings.ON_POSTGRESQL, reason="SQLite's")
def test_sqlite_overwrites_what_is_deleted() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete")
        assert cursor.fetchone() == (1,)
