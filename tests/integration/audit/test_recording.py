"""What is written down of what the API does; and that it is so in the transaction that does it."""

import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from assistants.services import create_assistant, delete_assistant, put_assistant
from audit.models import Action, AuditEntry, Way
from audit.services import delete_old_entries, record
from runs.models import Run
from tests.client import APIClient
from tests.integration.schedules.making import post_schedule
from threads.models import Thread

pytestmark = pytest.mark.django_db

CONFIG = {"configurable": {"type==agent/system_message": "a private instruction"}}


def entries(**filters: Any) -> list[tuple[str, str, str]]:
    """Action, kind and label, oldest first."""
    rows = AuditEntry.objects.filter(**filters).order_by("id")
    return [(entry.action, entry.kind, entry.label) for entry in rows]


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


def test_who_did_what_to_whose_and_by_which_way(alice: APIClient) -> None:
    assistant = alice.make_assistant(name="Helper")
    (entry,) = AuditEntry.objects.all()
    assert (entry.action, entry.kind, entry.target_id, entry.label) == (
        Action.CREATED,
        "assistants.assistant",
        assistant,
        "Helper",
    )
    assert entry.actor == entry.owner == User.objects.get(username="alice")
    assert (entry.actor_name, entry.owner_name, entry.way) == ("alice", "alice", Way.API)
    assert timezone.now() - entry.at < timedelta(minutes=1)


def test_an_assistant_from_its_making_to_its_end(alice: APIClient) -> None:
    pk = str(uuid.uuid4())
    body = {"name": "Helper", "config": CONFIG}
    for change in ({}, {}, {"name": "Other"}, {"name": "Other", "public": True}, {"name": "Other", "config": {}}):
        assert alice("PUT", f"/assistants/{pk}", {**body, **change}).status_code == 200
    rows = [(entry.action, entry.details) for entry in AuditEntry.objects.order_by("id")]
    assert rows == [
        ("created", {}),
        # The second was as the first.
        ("changed", {"fields": ["name"]}),
        ("changed", {"fields": ["public"]}),
        ("shared", {}),
        ("changed", {"fields": ["config", "public"]}),
        ("unshared", {}),
    ]
    alice("DELETE", f"/assistants/{pk}")
    last = AuditEntry.objects.latest("id")
    assert (last.action, last.target_id, last.label) == ("deleted", pk, "")
    assert not AuditEntry.objects.exclude(label="").exists()


def test_one_that_is_public_from_the_beginning_is_shared(alice: APIClient) -> None:
    alice.make_assistant(name="Helper", public=True)
    assert [action for action, _, _ in entries()] == ["created", "shared"]


def test_threads_and_schedules(alice: APIClient) -> None:
    thread = alice.make_thread(name="hello")
    alice("PUT", f"/threads/{thread}", {"name": "again", "assistant_id": alice.make_assistant()})
    schedule = post_schedule(alice, thread)
    body = {"thread_id": thread, "cron": "0 8 * * *", "input": []}
    assert alice("PUT", f"/schedules/{schedule.pk}", body).status_code == 200
    alice("DELETE", f"/schedules/{schedule.pk}")
    alice("DELETE", f"/threads/{thread}")
    changes = AuditEntry.objects.filter(action="changed").order_by("id").values_list("kind", "details")
    assert list(changes) == [
        ("threads.thread", {"fields": ["assistant_id", "name"]}),
        ("schedules.schedule", {"fields": ["cron", "input"]}),
    ]
    assert [kind for _, kind, _ in entries(action="deleted")] == ["schedules.schedule", "threads.thread"]


def test_documents_and_what_goes_along_with_an_assistant_is_counted(alice: APIClient) -> None:
    assistant = alice.make_assistant()
    for name in ("one.txt", "two.txt", "three.txt"):
        file = io.BytesIO(name.encode())
        file.name = name
        response = alice._client.post(f"/assistants/{assistant}/documents", {"files": [file]})
        assert response.status_code == 202, response.content
    assert [label for _, _, label in entries(kind="knowledge.document")] == ["one.txt", "two.txt", "three.txt"]
    document = response.json()[0]["document_id"]
    alice("DELETE", f"/documents/{document}")
    assert entries(kind="knowledge.document", target_id=document) == [
        ("created", "knowledge.document", ""),
        ("deleted", "knowledge.document", ""),
    ]
    alice("DELETE", f"/assistants/{assistant}")
    deleted = AuditEntry.objects.get(kind="assistants.assistant", action="deleted")
    assert deleted.details == {"counts": {"documents": 2}}
    # One entry for all of it; and the names of what went along are gone from the others.
    assert len(entries(kind="knowledge.document", action="deleted")) == 1
    assert not AuditEntry.objects.exclude(label="").exists()


def test_a_run_that_is_deleted(alice: APIClient) -> None:
    thread = alice.make_thread()
    run = alice("POST", "/runs", {"thread_id": thread, "input": []}).json()["run_id"]
    assert alice("DELETE", f"/runs/{run}").status_code == 409
    assert entries(kind="runs.run") == []
    Run.objects.filter(pk=run).update(status="success")
    assert alice("DELETE", f"/runs/{run}").status_code == 200
    assert AuditEntry.objects.get(kind="runs.run").target_id == run


def test_what_is_not_there_or_not_theirs_is_not_written_down(alice: APIClient) -> None:
    assistant = alice.make_assistant(public=True)
    thread = alice.make_thread(assistant)
    schedule = post_schedule(alice, thread)
    before = AuditEntry.objects.count()
    bob = APIClient("bob")
    body = {"name": "mine", "config": {}, "public": False}
    bob("PUT", f"/assistants/{assistant}", body)
    bob("PUT", f"/threads/{thread}", {"name": "mine", "assistant_id": assistant})
    bob("PUT", f"/schedules/{schedule.pk}", {"thread_id": thread, "cron": "0 9 * * *", "input": []})
    for address in (f"assistants/{assistant}", f"threads/{thread}", f"schedules/{schedule.pk}"):
        bob("DELETE", f"/{address}")
    for kind in ("assistants", "threads", "schedules", "documents", "runs"):
        alice("DELETE", f"/{kind}/{uuid.uuid4()}")
    assert AuditEntry.objects.count() == before


def test_neither_is_without_the_other(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.create(username="carol")
    with transaction.atomic():
        kept = create_assistant(owner=user, name="a", config={}, public=False)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()
    kept = create_assistant(owner=user, name="a", config={}, public=False)

    def fail(**_: Any) -> None:
        raise RuntimeError("the audit log cannot be written")

    monkeypatch.setattr(AuditEntry.objects.__class__, "create", lambda self, **_: fail())
    put: dict[str, Any] = {"owner": user, "name": "b", "config": {}, "public": True}
    for write in (
        lambda: create_assistant(**put),
        lambda: put_assistant(assistant_id=kept.pk, **put),
        lambda: delete_assistant(owner=user, assistant_id=kept.pk),
    ):
        with pytest.raises(RuntimeError):
            write()
    assert Assistant.objects.values_list("name", flat=True).get() == "a"


def test_no_entry_holds_what_a_user_has_written_but_names(alice: APIClient) -> None:
    assistant = alice.make_assistant(name="Helper", config=CONFIG)
    thread = alice.make_thread(assistant, name="hello")
    alice("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": "a private message"}]})
    post_schedule(alice, thread, input=[{"role": "user", "content": "a private message"}])
    alice("PUT", f"/assistants/{assistant}", {"name": "Helper", "config": {}})
    assert "private" not in repr(list(AuditEntry.objects.values()))


def test_entries_stay_for_their_days() -> None:
    thread = Thread.objects.create(owner=User.objects.create(username="alice"))
    for days in (1, 29, 31, 400):
        record(action=Action.CREATED, target=thread, owner=thread.owner)
        AuditEntry.objects.filter(pk=AuditEntry.objects.latest("id").pk).update(at=timezone.now() - timedelta(days))
    assert delete_old_entries(days=0) == 0
    assert delete_old_entries(days=30) == 2
    assert AuditEntry.objects.count() == 2
