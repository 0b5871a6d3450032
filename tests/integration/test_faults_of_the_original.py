"""What the original server let one user do to another, each tried by a test that is named for it."""

import json
import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from assistants.models import Assistant
from knowledge.models import Document
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from threads.models import Checkpoint, Message, Thread

pytestmark = pytest.mark.django_db

HUMAN = {"type": "human", "content": "alice's own words"}
EVERYTHING = (Assistant, Thread, Message, Checkpoint, Run, Schedule, Document)


def rows_of(owner: str) -> list[Any]:
    """All that is `owner`'s, as the database has it."""
    threads = {"thread__owner__username": owner}
    own = {"owner__username": owner}
    of = {Message: threads, Checkpoint: threads}
    return [list(model.objects.filter(**of.get(model, own)).order_by("pk").values()) for model in EVERYTHING]


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def bob() -> APIClient:
    return APIClient("bob")


def talk(user: APIClient) -> tuple[str, str]:
    """A public assistant of the user's, and a thread with it that has a message."""
    assistant = user.make_assistant(public=True)
    thread = user.make_thread(assistant)
    assert user("POST", f"/threads/{thread}/state", {"values": [HUMAN]}).status_code == 200
    return assistant, thread


@pytest.mark.parametrize("public", [True, False])
def test_takeover_of_an_assistant_by_put(alice: APIClient, bob: APIClient, public: bool) -> None:
    assistant = alice.make_assistant(public=public)
    before = rows_of("alice")
    body = {"name": "bob's now", "config": {"configurable": {}}, "public": True}
    assert bob("PUT", f"/assistants/{assistant}", body).status_code == 404
    assert rows_of("alice") == before
    assert not Assistant.objects.filter(owner__username="bob").exists()


def test_takeover_of_a_thread_by_put(alice: APIClient, bob: APIClient) -> None:
    assistant, thread = talk(alice)
    before = rows_of("alice")
    body = {"name": "bob's now", "assistant_id": assistant}
    assert bob("PUT", f"/threads/{thread}", body).status_code == 404
    assert rows_of("alice") == before
    command = {"id": 1, "method": "run.start", "params": {"assistant_id": assistant, "input": [HUMAN]}}
    assert bob("POST", f"/threads/{thread}/commands", command).status_code == 404
    assert rows_of("alice") == before
    assert not Thread.objects.filter(owner__username="bob").exists()


def test_cross_thread_write_by_the_config_of_post_state(alice: APIClient, bob: APIClient) -> None:
    assistant, thread = talk(alice)
    mine = bob.make_thread(assistant)
    before = rows_of("alice")
    config = {"configurable": {"thread_id": thread, "user_id": "alice", "checkpoint_ns": ""}}
    body = {"values": [{**HUMAN, "content": "bob's"}], "config": config}
    assert bob("POST", f"/threads/{mine}/state", body).status_code == 200
    assert rows_of("alice") == before
    assert [message["content"] for message in bob("GET", f"/threads/{mine}/state").json()["values"]] == ["bob's"]


@pytest.mark.parametrize("recreated_by", ["bob", "alice"])
def test_recreated_id_has_nothing_of_the_deleted_thread(alice: APIClient, bob: APIClient, recreated_by: str) -> None:
    assistant, thread = talk(alice)
    checkpoint = alice("GET", f"/threads/{thread}/history").json()[0]["config"]["configurable"]["checkpoint_id"]
    alice("DELETE", f"/threads/{thread}")
    heir = APIClient(recreated_by)
    assert heir("PUT", f"/threads/{thread}", {"name": "t", "assistant_id": assistant}).status_code == 200
    assert heir("GET", f"/threads/{thread}/state").json() == {"values": [], "next": []}
    assert heir("GET", f"/threads/{thread}/history").json() == []
    assert heir("GET", f"/threads/{thread}/runs").json() == []
    assert heir("GET", f"/threads/{thread}/state?checkpoint_id={checkpoint}").status_code == 404
    config = {"configurable": {"checkpoint_id": checkpoint}}
    assert heir("POST", f"/threads/{thread}/state", {"values": [HUMAN], "config": config}).status_code == 404
    assert heir("POST", "/runs", {"thread_id": thread, "input": [HUMAN], "config": config}).status_code == 404


def test_ingest_into_a_public_assistant_of_another(alice: APIClient, bob: APIClient) -> None:
    assistant, thread = talk(alice)
    before = rows_of("alice")
    client = Client()
    client.cookies["opengpts_user_id"] = "bob"
    for ids in ({"assistant_id": assistant}, {"thread_id": thread}):
        form = {"files": SimpleUploadedFile("a.txt", b"poison"), "config": json.dumps({"configurable": ids})}
        assert client.post("/ingest", form).status_code == 404
    for path in (f"/assistants/{assistant}/documents", f"/threads/{thread}/documents"):
        assert client.post(path, {"files": SimpleUploadedFile("a.txt", b"poison")}).status_code == 404
    assert rows_of("alice") == before
    assert not Document.objects.exists()


def entrances(thread: str, assistant: str, config: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Every request that takes a config."""
    command = {"assistant_id": assistant, "input": [HUMAN], "config": config}
    return [
        ("POST", f"/threads/{thread}/state", {"values": [HUMAN], "config": config}),
        ("POST", "/runs", {"thread_id": thread, "input": [HUMAN], "config": config}),
        ("POST", f"/threads/{thread}/commands", {"id": 1, "method": "run.start", "params": command}),
        ("POST", f"/threads/{uuid.uuid4()}/commands", {"id": 1, "method": "run.start", "params": command}),
        ("POST", "/schedules", {"thread_id": thread, "cron": "* * * * *", "input": [HUMAN], "config": config}),
        ("POST", "/assistants", {"name": "a", "config": config, "public": True}),
        ("PUT", f"/assistants/{uuid.uuid4()}", {"name": "a", "config": config}),
    ]


def test_configurable_cannot_name_another_thread_user_or_assistant(alice: APIClient, bob: APIClient) -> None:
    """The ids in it are heeded by nothing: what is written is the asker's, in the thread that the request names."""
    assistant, thread = talk(alice)
    private = alice.make_assistant()
    mine = bob.make_thread(assistant)
    before = rows_of("alice")
    named = {
        "thread_id": thread,
        "user_id": "alice",
        "assistant_id": private,
        "checkpoint_ns": "x",
        "checkpoint_map": {"": "x"},
    }
    for method, path, body in entrances(mine, assistant, {"configurable": named}):
        assert bob(method, path, body).status_code == 200, path
    assert rows_of("alice") == before
    runs = Run.objects.all()
    assert len(runs) >= 3
    assert {run.owner.username for run in runs} == {"bob"}
    assert thread not in {str(run.thread_id) for run in runs}
    assert {str(run.assistant_id) for run in runs} == {assistant}
    assert not any(named.keys() & run.config.get("configurable", {}).keys() for run in runs)


def test_configurable_cannot_name_a_checkpoint_of_another_thread(alice: APIClient, bob: APIClient) -> None:
    assistant, thread = talk(alice)
    checkpoint = alice("GET", f"/threads/{thread}/history").json()[0]["config"]["configurable"]["checkpoint_id"]
    mine = bob.make_thread(assistant)
    before = rows_of("alice"), rows_of("bob")
    for method, path, body in entrances(mine, assistant, {"configurable": {"checkpoint_id": checkpoint}})[:3]:
        response = bob(method, path, body)
        assert response.status_code == 404 or response.json().get("error") == "invalid_argument", path
    assert (rows_of("alice"), rows_of("bob")) == before
