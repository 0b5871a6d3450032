"""The admin: every page opens, shows what staff came for, and costs at most 20 queries."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from tests.client import APIClient
from threads.models import Checkpoint, Message, Thread

pytestmark = pytest.mark.django_db

MAX_QUERIES = 20
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    return client


@pytest.fixture
def thread() -> str:
    """A conversation among many, one message of it hostile."""
    alice = APIClient("alice")
    assistant = alice.make_assistant(name="Helper", public=True)
    for number in range(30):
        other = alice.make_thread(assistant, name=f"thread {number}")
        alice("POST", "/runs", {"thread_id": other, "input": [{"role": "user", "content": "x"}]})
    thread = alice.make_thread(assistant, name="the one")
    for content in ("what is a heron?", HOSTILE, "a bird"):
        alice("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": content}]})
    return thread


def page(staff: Client, path: str) -> str:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = staff.get(path)
    assert response.status_code == 200, path
    assert len(queries) <= MAX_QUERIES, [query["sql"] for query in queries]
    return response.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "assistants/assistant/",
        "assistants/assistant/?q=help",
        "assistants/assistant/?public__exact=1",
        "assistants/assistant/add/",
        "threads/thread/",
        "threads/thread/?q=heron",
        "threads/message/",
        "threads/message/?q=heron&type=human",
        "threads/checkpoint/",
        "threads/checkpoint/?source=update",
        "runs/run/",
        "runs/run/?q=alice&status__exact=pending",
        "accounts/user/",
        "accounts/user/add/",
    ],
)
def test_lists(staff: Client, thread: str, path: str) -> None:
    page(staff, f"/admin/{path}")


def test_a_conversation_can_be_read_and_is_not_run(staff: Client, thread: str) -> None:
    shown = page(staff, f"/admin/threads/thread/{thread}/change/")
    assert shown.index("what is a heron?") < shown.index("a bird")
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown


def test_a_thread_is_found_by_words_of_its_messages(staff: Client, thread: str) -> None:
    found = page(staff, "/admin/threads/thread/?q=heron")
    assert "the one" in found
    assert "thread 1" not in found


def test_the_rows_behind_a_conversation(staff: Client, thread: str) -> None:
    run = Run.objects.filter(thread__name="thread 3").get()
    message = Message.objects.filter(thread_id=thread).first()
    checkpoint = Checkpoint.objects.filter(thread_id=thread).first()
    assert message is not None
    assert checkpoint is not None
    page(staff, f"/admin/runs/run/{run.pk}/change/")
    page(staff, f"/admin/threads/message/{message.pk}/change/")
    page(staff, f"/admin/threads/checkpoint/{checkpoint.pk}/change/")
    page(staff, f"/admin/assistants/assistant/{run.assistant_id}/change/")
    page(staff, f"/admin/accounts/user/{run.owner_id}/change/")


def test_tool_calls_and_documents_can_be_read(staff: Client, thread: str) -> None:
    call = {"name": "retrieval", "args": {"query": "herons"}, "id": "c1"}
    document = {"page_content": "A heron is a bird.", "metadata": {}, "type": "Document"}
    said = [
        {"type": "ai", "content": "", "tool_calls": [call]},
        {"type": "tool", "content": [document], "tool_call_id": "c1"},
        {"type": "tool", "content": [], "tool_call_id": "c1"},
    ]
    APIClient("alice")("POST", f"/threads/{thread}/state", {"values": said})
    shown = page(staff, f"/admin/threads/thread/{thread}/change/")
    assert "calls retrieval {&quot;query&quot;: &quot;herons&quot;}" in shown
    assert "document: A heron is a bird." in shown
    assert "(nothing)" in shown


@pytest.mark.parametrize("path", ["threads/message", "threads/checkpoint", "threads/thread", "runs/run"])
def test_what_only_the_server_writes_cannot_be_added(staff: Client, path: str) -> None:
    assert staff.get(f"/admin/{path}/add/").status_code == 403


def test_an_assistant_is_changed_with_its_config_as_json(staff: Client, thread: str) -> None:
    assistant = Thread.objects.get(pk=thread).assistant
    assert assistant is not None
    path = f"/admin/assistants/assistant/{assistant.pk}/change/"
    form = {"name": "Renamed", "owner": assistant.owner_id, "config": '{"configurable": {"type": "chatbot"}}'}
    assert staff.post(path, form).status_code == 302
    before = assistant.updated_at
    assistant.refresh_from_db()
    assert (assistant.name, assistant.config, assistant.public) == (
        "Renamed",
        {"configurable": {"type": "chatbot"}},
        False,
    )
    assert assistant.updated_at > before
    for wrong in ("{", "[]", '"x"', "NaN"):
        assert staff.post(path, {**form, "config": wrong}).status_code == 200
    assistant.refresh_from_db()
    assert assistant.config == {"configurable": {"type": "chatbot"}}


def test_whoever_writes_a_config_sees_which_models_there_are(staff: Client) -> None:
    shown = page(staff, "/admin/assistants/assistant/add/")
    assert "<strong>GPT 4o</strong>: GPT 4o needs OPENAI_API_KEY." in shown
    assert "<strong>SmolLM2 135M (local)</strong>: LOCAL_MODEL=off" in shown


def test_nobody_else_gets_in(thread: str, client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.get(username="alice"))
    assert client.get("/admin/threads/thread/").status_code == 302


@pytest.mark.parametrize("kind", ["thread", "user"])
def test_what_nobody_deletes_by_itself_goes_with_its_thread_and_its_user(staff: Client, thread: str, kind: str) -> None:
    run = Run.objects.latest("created_at")
    addresses = {
        "thread": [f"threads/thread/{run.thread_id}", f"threads/thread/{thread}"],
        "user": [f"accounts/user/{run.owner_id}"],
    }
    for address in addresses[kind]:
        assert staff.post(f"/admin/{address}/delete/", {"post": "yes"}).status_code == 302
    assert not Message.objects.exists()
    assert not Run.objects.filter(pk=run.pk).exists()


def test_a_message_is_not_deleted_by_itself(staff: Client, thread: str) -> None:
    message = Message.objects.latest("pk")
    assert staff.post(f"/admin/threads/message/{message.pk}/delete/", {"post": "yes"}).status_code == 403
