"""Every page of the admin, and of every model in it, works under the content security policy: nothing in it is inline.

A browser is no part of the tests; what it would refuse is looked for in the HTML.
"""

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from lxml import html

from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.admin.test_pages import HOSTILE, staff, thread

__all__ = ["staff", "thread"]

pytestmark = pytest.mark.django_db

VIEWS = ("change", "history", "delete")
ANSWERS = (200, 302, 403)
PATH = "/media/images/" + "0" * 32 + ".png"


def inline(page: str) -> list[str]:
    """What of a page a browser would not do, or should not be asked to."""
    found = []
    for element in html.fromstring(page).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag == "style" or (
            element.tag == "script" and not element.get("src") and element.get("type") in (None, "text/javascript")
        ):
            found.append(f"an inline {element.tag}")
        for name, value in ((str(name), str(value)) for name, value in element.attrib.items()):
            address = value.strip().lower()
            if name == "style" or name.startswith("on") or address.startswith(("javascript:", "vbscript:")):
                found.append(f"{element.tag} {name}={value}")
            if name in ("src", "srcset", "data", "poster") and "//" in address:
                found.append(f"from elsewhere: {element.tag} {name}={value}")
    return found


@pytest.fixture
def world(thread: str, staff: Client) -> Client:
    """A row of whatever clients make, hostile where it can be."""
    alice = APIClient("alice")
    text = f"{HOSTILE} ![x](https://evil.example/x.png) ![y]({PATH}) [z](javascript:alert(1)) | a |"
    alice("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": text}]})
    alice("POST", "/runs", {"thread_id": thread, "input": [{"role": "user", "content": text}]})
    alice("POST", "/schedules", {"thread_id": thread, "cron": "0 9 * * *", "input": []})
    assert Schedule.objects.exists()
    return staff


def addresses(model: type[Model]) -> list[str]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.order_by("-pk").first()
    of_row = [] if row is None else [reverse(f"{name}_{view}", args=[row.pk]) for view in VIEWS]
    return [reverse(f"{name}_changelist"), reverse(f"{name}_add"), *of_row]


def test_no_page_of_the_admin_has_anything_inline(world: Client) -> None:
    opened = 0
    paths = [reverse("admin:index"), reverse("admin:password_change")]
    for model in admin.site._registry:
        paths += [*addresses(model), reverse("admin:app_list", args=[model._meta.app_label])]
    for path in paths:
        response = world.get(path)
        assert response.status_code in ANSWERS, path
        if response.status_code == 200:
            opened += 1
            # Of Procrastinate's own pages the policy takes the styles, and they are read without.
            assert inline(response.content.decode()) == [] or "/procrastinate/" in path, path
            assert "'unsafe-inline'" not in response["Content-Security-Policy"]
            assert "script-src 'self'" in response["Content-Security-Policy"]
    assert opened > 30


def test_pages_without_a_login_and_errors(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    for response in (
        client.get("/admin/login/"),
        client.get("/docs"),
        strict.post("/admin/login/", {"username": "x", "password": "y"}),
    ):
        assert inline(response.content.decode()) == []
        assert "script-src 'self'" in response["Content-Security-Policy"]
    assert response.status_code == 403
    assert "This form was not accepted" in response.content.decode()


def test_what_was_written_stands_beside_what_is_shown(world: Client) -> None:
    run = Run.objects.latest("created_at")
    for path in (f"threads/thread/{run.thread_id}", f"runs/run/{run.pk}"):
        shown = world.get(f"/admin/{path}/change/").content.decode()
        assert f'<img src="{PATH}" alt="y">' in shown
        assert '<a href="https://evil.example/x.png"' in shown
        assert "![x](https://evil.example/x.png)" in shown
        assert HOSTILE not in shown


def test_a_long_conversation_shows_its_newest_messages(world: Client, monkeypatch: Any, thread: str) -> None:
    monkeypatch.setattr("threads.admin.MESSAGES_SHOWN", 2)
    monkeypatch.setattr("opengpts.admin.MAX_RENDERED", 5)
    shown = world.get(f"/admin/threads/thread/{thread}/change/").content.decode()
    assert "The newest 2 messages of" in shown
    assert "what is a heron?" not in shown
    assert shown.count("<details>") == 2


@pytest.mark.parametrize("path", ["/media/", "/media/db.sqlite3", "/media/images/", "/media/documents/x.html"])
def test_no_other_file_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404
