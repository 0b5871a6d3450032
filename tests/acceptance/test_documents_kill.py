"""Documents outlive what happens to the server while it reads them: whole, once, or not at all."""

import time
from collections.abc import Iterator

import pytest

from tests.databases import new_database, rows_of
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

RECOVERY = 60.0  # seconds
TEXT = " ".join(f"Heron number {number} stands in the water and waits." for number in range(20_000)).encode()


@pytest.fixture
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server whose vectors come over the network, which takes a while."""
    settings = {
        **_openai_server.settings,
        "EMBEDDINGS": "openai:text-embedding-3-small",
    }
    with new_database() as url, LiveServer(url, RUN_HEARTBEAT="1", **settings) as server:
        yield server


def upload(client: LiveClient, assistant: str) -> str:
    response = client.upload(f"/assistants/{assistant}/documents", [("herons.txt", TEXT)])
    assert response.status_code == 202
    return str(response.json()[0]["document_id"])


def until_half_way(client: LiveClient, document: str) -> None:
    """Return when some of the document is stored, and not all."""
    deadline = time.monotonic() + RECOVERY
    while (row := client.get(f"/documents/{document}"))["progress"] == 0:
        assert time.monotonic() < deadline, row
        time.sleep(0.01)
    assert row["status"] == "processing"
    assert row["progress"] < 100


@pytest.mark.parametrize("ending", ["kill", "terminate"])
def test_a_document_is_read_to_its_end_after_the_server_was_gone(live: LiveServer, ending: str) -> None:
    client = LiveClient(live.url)
    assistant = client.make_assistant()
    document = upload(client, assistant)
    until_half_way(client, document)
    getattr(live, ending)()
    live.restart()
    ready = client.wait_for_document(document, timeout=RECOVERY)
    assert (ready["status"], ready["error"]) == ("ready", None)
    again = client.ingest([("herons.txt", TEXT)], assistant_id=assistant)
    assert len(again[0]) == len(set(again[0])) == ready["chunk_count"] > 500
    rows = rows_of(live.environment["DATABASE_URL"])
    assert len(rows["knowledge_chunk"]) == len(rows["knowledge_embedding"]) == ready["chunk_count"]
    assert rows["knowledge_documentcontent"] == []


def test_a_document_is_deleted_while_it_is_read(live: LiveServer) -> None:
    client = LiveClient(live.url)
    assistant = client.make_assistant()
    until_half_way(client, upload(client, assistant))
    assert client("DELETE", f"/assistants/{assistant}").json() == {"status": "ok"}
    time.sleep(1)
    rows = rows_of(live.environment["DATABASE_URL"])
    for table in ("document", "documentcontent", "chunk", "embedding"):
        assert rows[f"knowledge_{table}"] == []
    assert "Traceback" not in live.log
    other = client.make_assistant()
    assert client.ingest([("otter.txt", b"The otter swims.")], assistant_id=other)


def test_a_client_that_leaves_does_not_stop_the_reading(live: LiveServer) -> None:
    client = LiveClient(live.url)
    assistant = client.make_assistant()
    with pytest.raises(Exception, match=r"timed out|Read timed out"):
        client(
            "POST",
            "/ingest",
            files={"files": ("herons.txt", TEXT)},
            data={"config": f'{{"configurable": {{"assistant_id": "{assistant}"}}}}'},
            timeout=0.3,
        )
    deadline = time.monotonic() + RECOVERY
    while not (rows := client.get(f"/assistants/{assistant}/documents")) or rows[0]["status"] != "ready":
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)
