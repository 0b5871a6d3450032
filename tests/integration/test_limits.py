"""How much a user may have, and how much of a request is repeated to its client."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.client import APIClient

pytestmark = pytest.mark.django_db

HUMAN = {"type": "human", "content": "hi"}
ID = "a626c439-23dc-4662-b4cf-59d3212687b4"


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


def test_assistants_of_a_user(alice: APIClient, settings: Any) -> None:
    settings.ASSISTANTS_PER_USER = 2
    first, _ = alice.make_assistant(), alice.make_assistant()
    body = {"name": "a", "config": {}}
    for refused in (alice("POST", "/assistants", body), alice("PUT", f"/assistants/{ID}", body)):
        assert refused.status_code == 409
        assert "2 assistants" in refused.json()["detail"]
    assert alice("PUT", f"/assistants/{first}", body).status_code == 200
    assert APIClient("bob")("POST", "/assistants", body).status_code == 200
    alice("DELETE", f"/assistants/{first}")
    assert alice("PUT", f"/assistants/{ID}", body).status_code == 200


def test_threads_of_a_user(alice: APIClient, settings: Any) -> None:
    settings.THREADS_PER_USER = 1
    assistant = alice.make_assistant(public=True)
    thread = alice.make_thread(assistant)
    body = {"name": "t", "assistant_id": assistant}
    for refused in (alice("POST", "/threads", body), alice("PUT", f"/threads/{ID}", body)):
        assert refused.status_code == 409
        assert "1 threads" in refused.json()["detail"]
    command = {"id": 1, "method": "run.start", "params": {"assistant_id": assistant, "input": [HUMAN]}}
    assert alice("POST", f"/threads/{ID}/commands", command).json()["error"] == "conflict"
    assert alice("GET", f"/threads/{ID}").status_code == 404
    assert alice("PUT", f"/threads/{thread}", body).status_code == 200
    assert APIClient("bob")("POST", "/threads", body).status_code == 200


def test_messages_of_a_thread(alice: APIClient, settings: Any) -> None:
    settings.MAX_MESSAGES_PER_THREAD = 3
    thread = alice.make_thread()
    state = f"/threads/{thread}/state"
    assert alice("POST", state, {"values": [HUMAN, HUMAN]}).status_code == 200
    run = {"thread_id": thread, "input": [HUMAN, HUMAN]}
    command = {"id": 1, "method": "input.inject", "params": {"message": {"role": "user", "content": "x"}}}
    for path, body in ((state, {"values": [HUMAN, HUMAN]}), ("/runs", run), ("/runs", {**run, "input": [HUMAN] * 9})):
        refused = alice("POST", path, body)
        assert refused.status_code == 409
        assert "MAX_MESSAGES_PER_THREAD" in refused.json()["detail"]
    assert alice("POST", state, {"values": [HUMAN]}).status_code == 200
    assert "MAX_MESSAGES" in alice("POST", f"/threads/{thread}/commands", command).json()["message"]
    assert len(alice("GET", state).json()["values"]) == 3


def test_documents_of_a_thread(alice: APIClient, settings: Any) -> None:
    settings.INGEST_MAX_DOCUMENTS = 2
    path = f"/threads/{alice.make_thread()}/documents"

    def upload(*names: str) -> Any:
        files = [SimpleUploadedFile(f"{name}.txt", name.encode()) for name in names]
        client = Client()
        client.cookies["opengpts_user_id"] = "alice"
        return client.post(path, {"files": files})

    assert upload("one", "two").status_code == 202
    refused = upload("two", "three")
    assert refused.status_code == 409
    assert "INGEST_MAX_DOCUMENTS" in refused.json()["detail"]
    assert len(alice("GET", path).json()) == 2
    # What is there already is not one more.
    assert upload("one", "two").status_code == 202


def test_an_answer_says_little_of_what_is_wrong_in_much(alice: APIClient) -> None:
    path = f"/threads/{alice.make_thread()}/state"
    faults = alice("POST", path, {"values": [{"type": "human", "content": 1}] * 1000})
    assert faults.status_code == 422
    assert len(faults.json()["detail"]) == 50
    large = {"type": "human", "content": {"text": "x" * 1_000_000}}
    [first, *_] = alice("POST", path, {"values": [large]}).json()["detail"]
    assert len(first["input"]) == 1001
    assert first["input"].startswith('{"text": "xxx')


@pytest.mark.parametrize("cookie", [r'sessionid="aaaaaaaa\000"', r'sessionid="aaaaaaaa\377"', "sessionid='aaaaaaaa'"])
def test_a_session_that_cannot_be_is_none(cookie: str) -> None:
    """PostgreSQL cannot be asked for a text with NUL, and a cookie may hold one."""
    client = Client(raise_request_exception=False)
    assert client.get("/admin/", headers={"cookie": cookie}).status_code == 302
    assert client.get("/assistants", headers={"cookie": cookie}).status_code == 200


def test_a_query_of_too_many_parts_is_told_so(alice: APIClient) -> None:
    response = alice("GET", f"/assistants?{'&'.join(f'a{n}=' for n in range(1001))}")
    assert response.status_code == 400
    assert "more parts" in response.json()["detail"]
