"""Staff see that there are secrets, keep them or enter new ones, and read none."""

import html
import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from agents.config_secrets.sealing import reveal
from assistants.models import Assistant
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.admin.test_pages import page, staff
from tests.integration.schedules.making import DAILY, post_schedule
from tests.integration.secrets.test_api import config

__all__ = ["staff"]

pytestmark = pytest.mark.django_db

ELSEWHERE = "https://evil.example/"


@pytest.fixture
def assistant() -> Assistant:
    return Assistant.objects.get(pk=APIClient("alice").make_assistant(config=config("s3cret")))


def save(staff: Client, assistant: Assistant, sent: Any, **fields: Any) -> str:
    """Save the form; what it complains of, nothing where it was saved."""
    form = {"name": "x", "owner": assistant.owner_id, "config": json.dumps(sent), **fields}
    response = staff.post(f"/admin/assistants/assistant/{assistant.pk}/change/", form)
    assistant.refresh_from_db()
    return "" if response.status_code == 302 else str(response.context["adminform"].form.errors["config"])


def stored(row: Assistant | Schedule) -> Any:
    return reveal(row.sealed, owner=row.owner_id)


def test_the_form_of_an_assistant(staff: Client, assistant: Assistant) -> None:
    shown = html.unescape(page(staff, f"/admin/assistants/assistant/{assistant.pk}/change/"))
    assert json.dumps(config()) in shown
    assert "s3cret" not in shown
    assert save(staff, assistant, assistant.config) == ""
    assert (assistant.name, assistant.config, stored(assistant)) == ("x", config(), config("s3cret"))
    assert save(staff, assistant, config("new", timeout=2)) == ""
    assert (assistant.config, stored(assistant)) == (config(timeout=2), config("new", timeout=2))


def test_staff_send_no_secret_elsewhere_either(staff: Client, assistant: Assistant) -> None:
    complaint = save(staff, assistant, config(url=ELSEWHERE))
    assert "configurable.type==agent/tools.0.config.headers.Authorization: " in complaint
    assert "entered for another server" in complaint
    assert stored(assistant) == config("s3cret")


def test_another_owner_does_not_inherit_it(staff: Client, assistant: Assistant) -> None:
    other = User.objects.create_user("other")
    assert "There is no stored secret" in save(staff, assistant, config(), owner=other.pk)
    assert save(staff, assistant, config("theirs"), owner=other.pk) == ""
    assert (assistant.owner, stored(assistant)) == (other, config("theirs"))


def test_a_new_assistant(staff: Client) -> None:
    owner = User.objects.create_user("alice")
    form = {"name": "x", "owner": owner.pk, "config": json.dumps(config("s3cret"))}
    assert staff.post("/admin/assistants/assistant/add/", form).status_code == 302
    made = Assistant.objects.get()
    assert (made.config, stored(made)) == (config(), config("s3cret"))


def test_a_schedule(staff: Client) -> None:
    alice = APIClient("alice")
    schedule = post_schedule(alice, alice.make_thread(), config=config("s3cret"))
    path = f"/admin/schedules/schedule/{schedule.pk}/change/"
    assert "s3cret" not in page(staff, path)
    form = {"cron": DAILY, "timezone": "UTC", "assistant": "", "input": "[]", "enabled": "on"}
    assert staff.post(path, {**form, "config": json.dumps(config(timeout=9))}).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.config, stored(schedule)) == (config(timeout=9), config("s3cret", timeout=9))
    refused = staff.post(path, {**form, "config": json.dumps(config(url=ELSEWHERE))})
    assert "headers.Authorization: The stored secret was entered for another" in html.unescape(refused.content.decode())


def test_the_page_of_a_run(staff: Client) -> None:
    alice = APIClient("alice")
    alice("POST", "/runs", {"thread_id": alice.make_thread(), "input": [], "config": config("s3cret")})
    shown = page(staff, f"/admin/runs/run/{Run.objects.get().pk}/change/")
    assert "***" in shown
    assert "s3cret" not in shown
