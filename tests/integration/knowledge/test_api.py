"""`/ingest` and the documents of assistants and threads, as clients see them: on a real server."""

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
import requests

from tests.live_client import LiveClient
from tests.live_server import LiveServer

pytestmark = pytest.mark.acceptance

NOWHERE = "a626c439-23dc-4662-b4cf-59d3212687b4"
HERON = ("heron.txt", b"The heron is a grey bird that stands in the water and waits for fish.")
OTTER = ("otter.txt", b"The otter swims on its back and opens mussels with a stone.")


@pytest.fixture
def alice(module_server: LiveServer) -> LiveClient:
    return LiveClient(module_server.url)


@pytest.fixture
def bob(module_server: LiveServer) -> LiveClient:
    return LiveClient(module_server.url, "bob")


def config(**ids: Any) -> str:
    return json.dumps({"configurable": ids})


def detail(response: requests.Response, status: int) -> Any:
    """What an error says. It has this status, and is JSON."""
    assert response.status_code == status, response.text
    return response.json()["detail"]


@pytest.mark.parametrize("where", ["assistant", "thread"])
def test_ingest_answers_with_the_chunks_of_each_file(alice: LiveClient, where: str) -> None:
    made = alice.make_assistant() if where == "assistant" else alice.make_thread()
    both = alice.ingest([HERON, OTTER], **{f"{where}_id": made})
    assert [len(ids) for ids in both] == [1, 1]
    assert alice.ingest([OTTER], **{f"{where}_id": made}) == both[1:]
    listed = alice("GET", f"/{where}s/{made}/documents")
    assert listed.headers["X-Total-Count"] == "2"
    assert {row["name"]: (row["status"], row["chunk_count"]) for row in listed.json()} == {
        "heron.txt": ("ready", 1),
        "otter.txt": ("ready", 1),
    }


def test_documents_are_accepted_at_once_and_can_be_polled(alice: LiveClient) -> None:
    assistant = alice.make_assistant()
    response = alice.upload(f"/assistants/{assistant}/documents", [HERON])
    assert response.status_code == 202
    (row,) = response.json()
    assert response.headers["Location"] == f"/documents/{row['document_id']}"
    assert (row["assistant_id"], row["thread_id"], row["size"], row["error"]) == (assistant, None, len(HERON[1]), None)
    ready = alice.wait_for_document(row["document_id"])
    assert (ready["status"], ready["progress"], ready["chunk_count"]) == ("ready", 100, 1)
    assert list(ready) == list(row)
    assert alice("DELETE", f"/documents/{row['document_id']}").json() == {"status": "ok"}
    assert detail(alice("GET", f"/documents/{row['document_id']}"), 404) == "Document not found"
    assert alice.get(f"/assistants/{assistant}/documents") == []


def test_lists_have_pages(alice: LiveClient) -> None:
    thread = alice.make_thread()
    alice.ingest([(f"{number}.txt", b"%d herons" % number) for number in range(5)], thread_id=thread)
    page = alice("GET", f"/threads/{thread}/documents?limit=2&offset=1")
    assert page.headers["X-Total-Count"] == "5"
    assert len(page.json()) == 2


def test_a_file_that_cannot_be_read_does_not_undo_the_others(alice: LiveClient) -> None:
    assistant = alice.make_assistant()
    response = alice.upload("/ingest", [HERON, ("nothing.txt", b" "), OTTER], config=config(assistant_id=assistant))
    message = detail(response, 422)
    assert message.startswith("nothing.txt: ")
    assert message.endswith(" The other files were stored.")
    rows = {row["name"]: row for row in alice.get(f"/assistants/{assistant}/documents")}
    assert [rows[name]["status"] for name, _ in (HERON, OTTER)] == ["ready", "ready"]
    assert rows["nothing.txt"]["status"] == "failed"
    assert rows["nothing.txt"]["error"]["code"] == "unreadable_document"
    assert rows["nothing.txt"]["error"]["message"] in message


def test_only_the_owner_sees_and_changes_documents(alice: LiveClient, bob: LiveClient) -> None:
    body = {"name": "a", "config": {"configurable": {}}, "public": True}
    assistant = alice.post("/assistants", body)["assistant_id"]
    thread = alice.make_thread()
    alice.ingest([HERON], assistant_id=assistant)
    document = alice.get(f"/assistants/{assistant}/documents")[0]["document_id"]
    assert detail(bob.upload("/ingest", [OTTER], config=config(assistant_id=assistant)), 404) == "Assistant not found."
    assert detail(bob.upload("/ingest", [OTTER], config=config(thread_id=thread)), 404) == "Thread not found."
    assert detail(bob("GET", f"/assistants/{assistant}/documents"), 404) == "Assistant not found"
    assert detail(bob.upload(f"/assistants/{assistant}/documents", [OTTER]), 404) == "Assistant not found"
    assert detail(bob.upload(f"/threads/{thread}/documents", [OTTER]), 404) == "Thread not found"
    assert detail(bob("GET", f"/documents/{document}"), 404) == "Document not found"
    assert bob("DELETE", f"/documents/{document}").json() == {"status": "ok"}
    assert len(alice.get(f"/assistants/{assistant}/documents")) == 1


@pytest.mark.parametrize(
    ("ids", "status", "message"),
    [
        ({"assistant_id": NOWHERE}, 404, "Assistant not found."),
        ({"thread_id": NOWHERE}, 404, "Thread not found."),
        ({"assistant_id": "not-a-uuid"}, 404, "Assistant not found."),
        ({"assistant_id": NOWHERE, "thread_id": NOWHERE}, 422, "exactly one"),
        ({}, 422, "exactly one"),
        ({"assistant_id": 1}, 422, "string"),
    ],
)
def test_ingest_says_what_is_wrong_with_the_config(
    alice: LiveClient, ids: dict[str, Any], status: int, message: str
) -> None:
    found = detail(alice.upload("/ingest", [HERON], config=config(**ids)), status)
    if status == 422:
        assert found[0]["loc"][:2] == ["body", "config"]
        found = found[0]["msg"]
    assert message in found


@pytest.mark.parametrize("text", ["", "nope", "[]", "null", "{}", '{"configurable": null}', "\udcff", "[" * 10_000])
def test_ingest_refuses_a_config_that_is_none(alice: LiveClient, text: str) -> None:
    found = detail(alice.upload("/ingest", [HERON], config=text.encode("utf-8", "surrogateescape")), 422)  # type: ignore[arg-type]
    assert found[0]["loc"][:2] == ["body", "config"]


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}
FILE_HEADER = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n'


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (BOUNDARY, b"", 422),
        (BOUNDARY, b"--b--\r\n", 422),
        (BOUNDARY, FILE_HEADER % (b"file", b"a.txt") + b"x\r\n--b--\r\n", 422),
        (BOUNDARY, FILE_HEADER % (b"files", b"") + b"x\r\n--b--\r\n", 422),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--b--\r\n', 422),
        ({"Content-Type": "multipart/form-data"}, FILE_HEADER % (b"files", b"a.txt") + b"x\r\n--b--\r\n", 400),
        ({"Content-Type": "multipart/form-data; boundary=\xff".encode("latin-1")}, b"x", 400),
        (BOUNDARY, FILE_HEADER % (b"files", b"a.txt") + b"the beginning of a fi", 400),
        (BOUNDARY, FILE_HEADER % (b"files", b"a.txt") + b"x\r\n--b\r\nContent-Disposition: fo", 400),
        (BOUNDARY, (FILE_HEADER % (b"files", b"a.txt") + b"x\r\n") * 21 + b"--b--\r\n", 413),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n' * 5000 + b"--b--\r\n", 413),
        ({"Content-Type": "application/json"}, b'{"files": []}', 422),
        ({}, b"x", 422),
    ],
)
def test_a_body_that_holds_no_files_is_refused(
    alice: LiveClient, module_server: LiveServer, headers: dict[str, Any], body: bytes, status: int
) -> None:
    thread = alice.make_thread()
    response = alice("POST", f"/threads/{thread}/documents", data=body, headers=headers)
    if module_server.server == "daphne" and response.status_code == 400:
        # Daphne parses forms itself, and refuses those it cannot before they reach the application.
        assert alice.get(f"/threads/{thread}/documents") == []
        return
    detail(response, status)
    assert alice.get(f"/threads/{thread}/documents") == []


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\\\files\\\\a.txt", "a.txt"),
        (b"a\x00b\x07.txt", "ab.txt"),
        ("Füße.txt".encode(), "Füße.txt"),
        (b"n" * 300 + b".txt", "n" * 251 + ".txt"),
    ],
)
def test_a_files_name_is_a_name(alice: LiveClient, sent: bytes, stored: str) -> None:
    thread = alice.make_thread()
    body = FILE_HEADER % (b"files", sent) + b"heron\r\n--b--\r\n"
    response = alice("POST", f"/threads/{thread}/documents", data=body, headers=BOUNDARY)
    assert response.status_code == 202, response.text
    assert response.json()[0]["name"] == stored


def test_a_body_in_pieces_needs_no_length(alice: LiveClient) -> None:
    thread = alice.make_thread()
    pieces = iter([FILE_HEADER % (b"files", b"a.txt"), b"about ", b"herons", b"\r\n--b--\r\n"])
    response = alice("POST", f"/threads/{thread}/documents", data=pieces, headers=BOUNDARY)
    assert response.status_code == 202
    assert response.json()[0]["size"] == len(b"about herons")


def test_the_documentation_is_of_what_is_answered(alice: LiveClient) -> None:
    documentation = alice.get("/openapi.json")
    document = documentation["components"]["schemas"]["Document"]["properties"]
    assert {"type": "null"} in document["error"]["oneOf"]
    response = alice.upload(f"/threads/{alice.make_thread()}/documents", [HERON])
    assert set(response.json()[0]) == set(document)
    upload = documentation["paths"]["/threads/{id}/documents/"]["post"]
    assert [parameter["name"] for parameter in upload["parameters"]] == ["id"]
    assert set(upload["responses"]) == {"202", "400", "401", "403", "404", "413", "422", "429", "default"}


@pytest.mark.parametrize("path", ["/ingest", "/threads/x/documents", "/documents/x"])
def test_only_the_methods_that_are_documented_are_answered(alice: LiveClient, path: str) -> None:
    detail(alice("OPTIONS", path), 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({}, 202),
    ],
)
def test_pages_of_other_sites_cannot_upload(
    alice: LiveClient, module_server: LiveServer, headers: dict[str, str], status: int
) -> None:
    thread = alice.make_thread()
    files = {"files": HERON}
    assert alice("POST", f"/threads/{thread}/documents", files=files, headers=headers).status_code == status
    form = {"config": config(thread_id=thread)}
    assert alice("POST", "/ingest", files=files, data=form, headers=headers).ok == (status == 202)
    ours = {"Origin": module_server.url}
    assert alice("POST", f"/threads/{thread}/documents", files=files, headers=ours).status_code == 202


def test_the_same_file_at_once_has_the_same_chunks(alice: LiveClient, module_server: LiveServer) -> None:
    assistant = alice.make_assistant()
    text = b" ".join(b"Heron number %d stands in the water." % number for number in range(2000))

    def put(_: int) -> list[list[str]]:
        return LiveClient(module_server.url).ingest([("herons.txt", text)], assistant_id=assistant)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(put, range(4)))
    assert len(answers[0][0]) > 10
    assert answers[1:] == answers[:1] * 3


def test_the_server_answers_others_while_it_reads(alice: LiveClient, module_server: LiveServer) -> None:
    """More files are waited for than there are threads for requests."""
    assistant = alice.make_assistant()

    def put(number: int) -> list[list[str]]:
        text = b" ".join(b"Heron %d of file %d." % (heron, number) for heron in range(3000))
        return LiveClient(module_server.url).ingest([("herons.txt", text)], assistant_id=assistant)

    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(put, number) for number in range(12)]
        answered = 0
        while not all(future.done() for future in waiting):
            assert alice("GET", "/ok", timeout=5).ok
            answered += 1
        assert answered > 5
        assert all(future.result() for future in waiting)


@contextmanager
def nobody_may_write(url: str) -> Iterator[None]:
    """Hold the lock that whoever stores a document waits for."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")
        return
    with psycopg.connect(url) as database:
        database.execute("LOCK TABLE knowledge_document IN SHARE MODE")
        yield


def test_uploads_that_are_being_stored_hold_up_nobody_else(alice: LiveClient, module_server: LiveServer) -> None:
    """More of them than there are threads for requests."""
    thread = alice.make_thread()

    def put(number: int) -> int:
        file = (f"{number}.txt", b"heron %d" % number)
        return LiveClient(module_server.url).upload(f"/threads/{thread}/documents", [file]).status_code

    with ThreadPoolExecutor(12) as pool:
        with nobody_may_write(module_server.environment["DATABASE_URL"]):
            waiting = [pool.submit(put, number) for number in range(12)]
            time.sleep(0.5)
            assert alice("GET", "/ok", timeout=5).ok
            assert alice("GET", f"/threads/{thread}/documents", timeout=5).json() == []
            assert not any(future.done() for future in waiting)
        assert [future.result() for future in waiting] == [202] * 12


def test_a_run_finds_what_its_assistant_and_its_thread_know(alice: LiveClient) -> None:
    assistant = alice.make_assistant(type="chat_retrieval")
    thread = alice.post("/threads", {"name": "t", "assistant_id": assistant})["thread_id"]
    alice.ingest([HERON], assistant_id=assistant)
    alice.ingest([OTTER], thread_id=thread)
    run = alice.wait_for_run(alice.start_run(thread, "What does the otter do with a stone?"))
    assert run["status"] == "success"
    documents = alice.messages(thread)[2]["content"]
    assert [document["metadata"]["source"] for document in documents] == ["otter.txt", "heron.txt"]
    otter = documents[0]
    assert otter["page_content"] == OTTER[1].decode()
    assert otter["metadata"]["namespace"] == thread
    assert otter["metadata"]["document_id"] == alice.get(f"/threads/{thread}/documents")[0]["document_id"]
