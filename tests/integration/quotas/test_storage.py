"""What users have stored is counted exactly, and who has too much is refused before anything more is."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from knowledge.models import Document
from quotas.models import Quota
from quotas.storage import forget_measurements, storage_used
from runs.models import Run
from tests.client import APIClient
from threads.models import Message, Thread
from threads.storage import bytes_in
from threads.upkeep import copy_thread, delete_checkpoints, delete_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


def limit(number: int) -> None:
    owner = User.objects.get(username="alice")
    Quota.objects.update_or_create(user=owner, defaults={"storage_bytes": number})


def used() -> int:
    return storage_used(User.objects.get(username="alice").pk)


def say(client: APIClient, thread: str, *texts: str, **fields: Any) -> Any:
    values = [{"type": "human", "content": text, **fields} for text in texts]
    return client("POST", f"/threads/{thread}/state", {"values": values})


def upload(path: str, *files: tuple[str, bytes], user: str = "alice") -> Any:
    client = Client(raise_request_exception=False)
    client.cookies["opengpts_user_id"] = user
    return client.post(path, {"files": [SimpleUploadedFile(name, data) for name, data in files]})


def exact(thread: str) -> bool:
    """Whether the thread's number is what its rows take."""
    counted = Thread.objects.get(pk=thread).message_bytes
    rows = Message.objects.filter(thread__pk=thread)
    by_hand = sum(len(row.data.encode()) + len(row.exact or b"") for row in rows)
    return counted == bytes_in(rows) == by_hand


def test_messages_are_counted_as_they_are_written(alice: APIClient) -> None:
    thread = alice.make_thread()
    for text in ("hello", "größer \N{OWL}", "hello"):
        assert say(alice, thread, text).status_code == 200
        assert exact(thread)
    # One that is there already under its id takes nothing; changed, it is a row more.
    before = Thread.objects.get(pk=thread).message_bytes
    say(alice, thread, "the same", id="x")
    once = Thread.objects.get(pk=thread).message_bytes
    say(alice, thread, "the same", id="x")
    assert Thread.objects.get(pk=thread).message_bytes == once > before
    say(alice, thread, "another", id="x")
    assert Thread.objects.get(pk=thread).message_bytes > once
    assert exact(thread)
    assert used() == Thread.objects.get(pk=thread).message_bytes


def test_what_is_taken_out_is_not_counted(alice: APIClient) -> None:
    first, copy = Thread.objects.get(pk=alice.make_thread()), Thread.objects.get(pk=alice.make_thread())
    say(alice, str(first.pk), "stays")
    stays = Thread.objects.get(pk=first.pk).message_bytes
    say(alice, str(first.pk), "goes")
    newest = first.checkpoints.latest("checkpoint_id")
    first.checkpoints.filter(pk=newest.pk).update(run_id="a-run")
    copy_thread(source_id=first.pk, target_id=copy.pk)
    assert exact(str(copy.pk))
    delete_runs(run_ids=["a-run"], thread_id=first.pk)
    assert Thread.objects.get(pk=first.pk).message_bytes == stays
    assert exact(str(first.pk))
    delete_checkpoints(thread_id=first.pk)
    assert Thread.objects.get(pk=first.pk).message_bytes == 0
    copy.delete()
    assert used() == 0


def test_documents_are_counted_by_their_size(alice: APIClient) -> None:
    assistant, thread = alice.make_assistant(), alice.make_thread()
    assert upload(f"/assistants/{assistant}/documents", ("a.txt", b"x" * 100)).status_code == 202
    assert upload(f"/threads/{thread}/documents", ("b.txt", b"y" * 10), ("c.txt", b"z")).status_code == 202
    assert used() == 111
    alice("DELETE", f"/documents/{Document.objects.get(name='a.txt').pk}")
    assert used() == 11


def test_an_upload_that_is_too_much_stores_nothing(alice: APIClient) -> None:
    path = f"/threads/{alice.make_thread()}/documents"
    limit(100)
    assert upload(path, ("a.txt", b"x" * 60)).status_code == 202
    refused = upload(path, ("b.txt", b"y" * 20), ("c.txt", b"z" * 21))
    assert refused.status_code == 429
    assert refused.json()["detail"] == (
        "Your quota of storage is used up: 60 of 100 bytes, and this needs 41 more. Delete documents or threads."
    )
    assert "Retry-After" not in refused.headers
    assert [document.name for document in Document.objects.all()] == ["a.txt"]
    # What is there already needs no room, however often it is sent.
    assert upload(path, ("a.txt", b"x" * 60), ("d.txt", b"d" * 40), ("e.txt", b"d" * 40)).status_code == 202
    ingest = {"configurable": {"thread_id": path.split("/")[2]}}
    client = Client()
    client.cookies["opengpts_user_id"] = "alice"
    form = {"files": SimpleUploadedFile("f.txt", b"f"), "config": json.dumps(ingest)}
    assert client.post("/ingest", form).status_code == 429


def test_deleting_helps_at_once(alice: APIClient) -> None:
    path = f"/threads/{alice.make_thread()}/documents"
    limit(100)
    assert upload(path, ("a.txt", b"x" * 100)).status_code == 202
    assert upload(path, ("b.txt", b"y")).status_code == 429
    alice("DELETE", f"/documents/{Document.objects.get().pk}")
    assert upload(path, ("b.txt", b"y")).status_code == 202


def test_states_and_runs_are_refused_too(alice: APIClient) -> None:
    thread = alice.make_thread()
    say(alice, thread, "x" * 500)
    limit(used())
    assert say(alice, thread, "more").status_code == 429
    said: list[list[Any]] = [[{"role": "user", "content": "hi"}], []]
    for messages in said:
        assert alice("POST", "/runs", {"thread_id": thread, "input": messages}).status_code == 429
    message = {"id": 1, "method": "input.inject", "params": {"message": {"role": "user", "content": "x"}}}
    injected = alice("POST", f"/threads/{thread}/commands", message)
    assert (injected.status_code, injected.json()["error"]) == (429, "quota_exceeded")
    assert not Run.objects.exists()
    assert Message.objects.count() == 1
    limit(used() + 1000)
    assert say(alice, thread, "more").status_code == 200
    assert alice("POST", "/runs", {"thread_id": thread, "input": []}).status_code == 200


def test_it_is_not_measured_for_each_request(alice: APIClient) -> None:
    thread = alice.make_thread()
    limit(10_000)
    say(alice, thread, "one")

    def sums() -> int:
        with CaptureQueriesContext(connection) as queries:
            say(alice, thread, "two")
        return sum("SUM(" in query["sql"] for query in queries)

    assert sums() == 0
    forget_measurements()
    assert sums() == 2
    # What was let in since the last measurement counts, whatever has become of it.
    limit(used() + 700)
    forget_measurements()
    answers = [say(alice, alice.make_thread(), "x" * 200).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429] or answers == [200, 200, 429, 429]


def test_who_has_no_limit_is_not_measured(alice: APIClient, settings: Any) -> None:
    settings.QUOTA_STORAGE_BYTES = None
    thread = alice.make_thread()
    with CaptureQueriesContext(connection) as queries:
        say(alice, thread, "hello")
    assert not any("SUM(" in query["sql"] for query in queries)
