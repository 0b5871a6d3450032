"""What staff do in the admin is written down, and can be read there."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from agents.models import LanguageModel
from assistants.models import Assistant
from audit.models import AuditEntry
from knowledge.models import Document
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.schedules.making import post_schedule
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    return client


def seen(**filters: Any) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Who did what to whose, with details; oldest first."""
    rows = AuditEntry.objects.filter(way="admin", **filters).order_by("id")
    return [(entry.actor_name, entry.action, entry.owner_name, entry.details) for entry in rows]


def test_an_assistant_is_added_changed_shared_and_deleted(staff: Client) -> None:
    alice = User.objects.create(username="alice")
    form = {"name": "Helper", "owner": alice.pk, "config": "{}"}
    assert staff.post("/admin/assistants/assistant/add/", form).status_code == 302
    assistant = Assistant.objects.get()
    page = f"/admin/assistants/assistant/{assistant.pk}"
    assert staff.post(f"{page}/change/", {**form, "name": "Other", "public": "on"}).status_code == 302
    assert staff.post(f"{page}/change/", {**form, "name": "Other", "public": "on"}).status_code == 302
    assert staff.post(f"{page}/delete/", {"post": "yes"}).status_code == 302
    assert seen() == [
        ("root", "created", "alice", {}),
        ("root", "changed", "alice", {"fields": ["name", "public"]}),
        ("root", "shared", "alice", {}),
        ("root", "deleted", "alice", {}),
    ]
    # Its name is in Django's own log neither.
    assert not LogEntry.objects.filter(object_repr__in=["Helper", "Other"]).exists()


@pytest.mark.parametrize("by", ["page", "action"])
def test_threads_documents_and_schedules_are_deleted(staff: Client, by: str) -> None:
    alice = APIClient("alice")
    thread = alice.make_thread(name="hello")
    post_schedule(alice, thread)
    owner = User.objects.get(username="alice")
    Document.objects.create(owner=owner, thread_id=thread, name="a.txt", size=1, sha256="0" * 64)
    for model in (Document, Schedule, Thread):
        address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        pk = model.objects.get().pk
        if by == "page":
            response = staff.post(f"{address}{pk}/delete/", {"post": "yes"})
        else:
            response = staff.post(address, {"action": "delete_selected", "_selected_action": pk, "post": "yes"})
        assert response.status_code == 302
    assert [(who, what, whose) for who, what, whose, _ in seen()] == [("root", "deleted", "alice")] * 3
    assert not Thread.objects.exists()


def test_a_schedule_of_a_user_is_made_and_changed_by_staff(staff: Client) -> None:
    thread = APIClient("alice").make_thread()
    form = {"thread": thread, "cron": "0 9 * * *", "timezone": "UTC", "input": "[]", "config": "{}", "enabled": "on"}
    assert staff.post("/admin/schedules/schedule/add/", form).status_code == 302
    schedule = Schedule.objects.get()
    change = {**form, "cron": "0 8 * * *"}
    assert staff.post(f"/admin/schedules/schedule/{schedule.pk}/change/", change).status_code == 302
    assert seen() == [
        ("root", "created", "alice", {}),
        ("root", "changed", "alice", {"fields": ["cron"]}),
    ]


def test_users_their_passwords_groups_and_models(staff: Client) -> None:
    password = "a long enough secret"
    form = {"username": "carol", "usable_password": "true", "password1": password, "password2": password}
    assert staff.post("/admin/accounts/user/add/", form).status_code == 302
    carol = User.objects.get(username="carol")
    new = {"usable_password": "true", "password1": password + "2", "password2": password + "2"}
    assert staff.post(f"/admin/accounts/user/{carol.pk}/password/", new).status_code == 302
    assert staff.post("/admin/auth/group/add/", {"name": "Helpers"}).status_code == 302
    group = Group.objects.get()
    assert staff.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Others"}).status_code == 302
    model = LanguageModel.objects.filter(enabled=True).first()
    assert model is not None
    chosen = {"action": "choose_default", "_selected_action": model.pk}
    assert staff.post("/admin/agents/languagemodel/", chosen).status_code == 302
    rows = AuditEntry.objects.filter(way="admin").order_by("id").values_list("action", "kind", "details")
    assert list(rows) == [
        ("created", "accounts.user", {}),
        ("changed", "accounts.user", {"fields": ["password"]}),
        ("created", "auth.group", {}),
        ("changed", "auth.group", {"fields": ["name"]}),
        ("changed", "agents.languagemodel", {"fields": ["is_default"]}),
    ]
    assert password not in repr(list(AuditEntry.objects.values()))


def test_the_log_is_read_filtered_and_searched_and_not_written(staff: Client) -> None:
    empty = staff.get("/admin/audit/auditentry/").content.decode()
    assert "0 audit entries" in empty
    alice = APIClient("alice")
    assistant = alice.make_assistant(name="<b>Helper</b>", public=True)
    alice("DELETE", f"/threads/{alice.make_thread(assistant, name='gone')}")
    for query in ("", "?action__exact=shared", "?kind=threads.thread", "?way__exact=api", "?q=alice", "?q=Helper"):
        page = staff.get(f"/admin/audit/auditentry/{query}")
        assert page.status_code == 200
        shown = page.content.decode()
        assert "alice" in shown
        assert "<b>Helper" not in shown
        assert "gone" not in shown
    assert f"/admin/assistants/assistant/{assistant}/change/" in shown
    entry = AuditEntry.objects.latest("id")
    address = f"/admin/audit/auditentry/{entry.pk}"
    assert staff.get(f"{address}/change/").status_code == 200
    assert staff.get("/admin/audit/auditentry/add/").status_code == 403
    for way in ("change", "delete"):
        assert staff.post(f"{address}/{way}/", {"post": "yes", "label": "x"}).status_code == 403
    everything = {"action": "delete_selected", "_selected_action": entry.pk, "post": "yes"}
    staff.post("/admin/audit/auditentry/", everything)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
