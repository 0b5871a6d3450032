"""A person's data, exported and deleted while the server runs; and what a crash in the middle leaves to do."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.databases import new_database, rows_of
from tests.live_client import LiveClient
from tests.live_server import ROOT, LiveServer
from tests.redis_contents import keys_with
from tests.services import FakeOpenAI, FakeToolServices, Redis
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

MARKER = "zqmarkerzq"
# As an assistant that makes images names its tool.
PAINTER = {"type==agent/tools": ["dall_e"], "type==agent/system_message": f"{MARKER} instruction"}
SECONDS = 60.0

FILL = f"""
from django.contrib.auth import get_user_model
from threads.models import Message, Thread
user = get_user_model().objects.get(username="alice")
threads = Thread.objects.bulk_create(Thread(owner=user, name="{MARKER}") for _ in range(1000))
Message.objects.bulk_create(
    Message(thread=thread, position=position, type="human", content="{MARKER}", data="{{}}")
    for thread in threads for position in range(20)
)
"""

COUNT = "from threads.models import Message; print(Message.objects.filter(thread__owner__username='alice').count())"


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def live(redis: Redis, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server with Redis, whose agents can make images."""
    with new_database() as url, FakeToolServices() as tools:
        settings = {
            **_openai_server.settings,
            "TOOL_URLS": ",".join(f"{key}={address}" for key, address in tools.urls.items()),
            "REDIS_URL": redis.url(),
            "RUN_HEARTBEAT": "1",
        }
        with LiveServer(url, **settings) as server:
            yield server


def found(live: LiveServer, redis: Redis) -> list[str]:
    """Where the marker is: tables, keys of Redis, files that tools have made."""
    tables = [name for name, rows in rows_of(live.environment["DATABASE_URL"]).items() if MARKER in repr(rows)]
    return tables + keys_with(redis.url(), MARKER)


def images(live: LiveServer) -> list[Path]:
    return [*(live.directory / "media" / "images").iterdir()]


def test_all_of_a_user_is_exported_and_deleted(live: LiveServer, redis: Redis, tmp_path: Path) -> None:
    alice, bob = LiveClient(live.url, "alice"), LiveClient(live.url, "bob")
    other = bob.make_thread()
    assert bob.wait_for_run(bob.start_run(other, "hello"))["status"] == "success"
    thread = alice.make_thread(**PAINTER)
    call = f'TOOL:dall_e {{"query": "{MARKER} heron"}}'
    assert alice.wait_for_run(alice.start_run(thread, call))["status"] == "success"
    (image,) = images(live)
    address = f"/media/images/{image.name}"
    assert address in json.dumps(alice.messages(thread))
    alice.ingest([(f"{MARKER}.txt", f"A heron. {MARKER} text.".encode())], thread_id=thread)
    watched = alice.stream(thread, f"TOKENS:2000 DELAY:50 {MARKER}")
    assert b"event: metadata" in next(watched.iter_content(100))
    before = found(live, redis)
    assert {"threads_message", "knowledge_chunk", "runs_run"} <= set(before)
    assert any(":log:" in key for key in before)

    path = tmp_path / "alice.zip"
    live.manage("export_user", "alice", "--output", str(path))
    with ZipFile(path) as archive:
        assert f"images/{image.name}" in archive.namelist()
        assert MARKER in archive.read("messages.json").decode()
    started = time.monotonic()
    said = live.manage("delete_user", "alice", "--yes")
    assert "1 runs that had not ended are cancelled." in said
    # The run was stopped, and not just waited for.
    assert time.monotonic() - started < SECONDS
    watched.close()

    wait_until(lambda: found(live, redis) == [], timeout=2 * SECONDS)  # SQLite's words go with a round of the server
    assert images(live) == []
    assert bob("GET", address).status_code == 404
    assert bob.said(other) == [("human", "hello"), ("ai", "Echo: hello")]
    assert bob.wait_for_run(bob.start_run(other, "again"))["status"] == "success"
    # Whoever comes by that name now is another.
    assert alice.get("/threads") == []


def test_a_deletion_that_was_killed_goes_on(live: LiveServer, redis: Redis) -> None:
    alice, bob = LiveClient(live.url, "alice"), LiveClient(live.url, "bob")
    alice.make_thread()
    live.manage("shell", "--command", FILL)
    assert "threads_message" in found(live, redis)

    def left() -> int:
        return int(live.manage("shell", "--verbosity=0", "--command", COUNT).split()[-1])

    command = [sys.executable, "manage.py", "delete_user", "alice", "--yes"]
    process = subprocess.Popen(command, cwd=ROOT, env=live.environment, stdout=subprocess.DEVNULL)
    try:
        url = live.environment["DATABASE_URL"]
        wait_until(lambda: 0 < len(rows_of(url)["threads_message"]) < 20_000, timeout=SECONDS)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < left() < 20_000
    # Nobody can write as them meanwhile, and nobody else notices.
    assert alice("POST", "/threads", {"name": "t", "assistant_id": bob.make_assistant()}).status_code == 401
    assert bob.get("/assistants")
    live.manage("delete_user", "alice", "--yes")
    assert found(live, redis) == []
    with pytest.raises(RuntimeError, match="There is no user alice"):
        live.manage("delete_user", "alice", "--yes")
