"""What happens to a server that does its runs itself: each ends with a clear state, and goes on by itself."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.acceptance.deployment import start_slow_run
from tests.databases import new_database
from tests.live_client import COOKIE, UNFINISHED, LiveClient, run_body
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI, PostgreSQL, tokens
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

# Seconds that something may take to be in order again. It takes two or three; a busy machine is slow.
RECOVERY = 60.0
SLOW = "TOKENS:40 DELAY:50"
SLOW_ANSWER = tokens(40)


def settings_for(model: FakeOpenAI) -> dict[str, str]:
    return {
        **model.settings,
        "RUN_HEARTBEAT": "1",
        "STREAM_HEARTBEAT": "1",
    }


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    with new_database() as url, LiveServer(url, **settings_for(_openai_server)) as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> LiveClient:
    return LiveClient(live.url)


@pytest.fixture
def thread(client: LiveClient) -> str:
    return client.make_thread()


def run_id_of(body: bytes) -> str:
    found = re.search(rb'"run_id":"([^"]+)"', body)
    assert found
    return found[1].decode()


def test_twenty_runs_at_once_in_one_thread(live: LiveServer, client: LiveClient, thread: str) -> None:
    texts = [f"number {number}" for number in range(20)]
    with ThreadPoolExecutor(len(texts)) as pool:
        ids = list(pool.map(lambda text: LiveClient(live.url).start_run(thread, text), texts))
    runs = [client.wait_for_run(run_id, timeout=RECOVERY) for run_id in ids]
    assert {run["status"] for run in runs} == {"success"}
    listed = client.get(f"/threads/{thread}/runs?limit=100")
    order = [texts[ids.index(run["run_id"])] for run in reversed(listed)]
    assert client.said(thread) == [said for text in order for said in [("human", text), ("ai", f"Echo: {text}")]]
    times = [(run["started_at"], run["finished_at"]) for run in reversed(listed)]
    assert all(before[1] <= after[0] for before, after in pairwise(times))


def test_a_client_that_reads_one_byte_a_second(live: LiveServer, client: LiveClient, thread: str) -> None:
    """It slows nobody, and what it has read in the end is the whole answer."""
    text = "TOKENS:400 DELAY:5 slow reader"
    body = json.dumps(run_body(thread, text)).encode()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.settimeout(RECOVERY)
        slow.connect(("127.0.0.1", live.port))
        slow.sendall(
            b"POST /runs/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + f"Cookie: {COOKIE}=alice\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        received = slow.recv(1)
        for _ in range(3):
            received += slow.recv(1)
            time.sleep(1)
        quick = LiveClient(live.url)
        other = quick.make_thread()
        started = time.monotonic()
        assert SLOW_ANSWER.encode() in quick.stream(other, SLOW).content
        assert time.monotonic() - started < 30
        run = client.get(f"/threads/{thread}/runs")[0]
        assert client.wait_for_run(run["run_id"])["status"] == "success"
        while chunk := slow.recv(65536):
            received += chunk
    answer = tokens(400)
    assert answer.encode() in received
    assert b"event: end" in received
    # It was sent the newest when it read on, and not each that there had been.
    assert received.count(b"event: data") < 400
    assert client.said(thread) == [("human", text), ("ai", answer)]


def test_kill_9_and_clients_that_come_back(live: LiveServer, client: LiveClient, thread: str) -> None:
    """Over SSE and WebSocket: each ends with exactly the same text, and no number stands for two events."""
    assistant = client.get(f"/threads/{thread}")["assistant_id"]
    with LiveSocket(live.url, thread) as first:
        first.ask("subscription.subscribe", channels=["messages", "values", "lifecycle", "updates"])
        said = [{"type": "human", "content": SLOW}]
        run_id = first.ask("run.start", assistant_id=assistant, input=said)["result"]["run_id"]
        with client("GET", f"/runs/{run_id}/stream", stream=True) as response:
            lines = response.iter_lines()
            last_id = ""
            for line in lines:
                last_id = line.removeprefix(b"id: ").decode() if line.startswith(b"id: ") else last_id
                if b"tok5" in line:
                    break
            first.until(lambda event: event["params"]["data"].get("event") == "content-block-delta")
            live.kill()
        seen = list(first.events)
    live.restart()
    body = client("GET", f"/runs/{run_id}/stream", headers={"Last-Event-ID": last_id}).content
    assert body.endswith(b"event: end\r\n\r\n")
    assert json.loads(body.split(b"data: ")[-1].split(b"\r\n")[0])["messages"][-1]["content"] == SLOW_ANSWER
    with LiveSocket(live.url, thread) as second:
        channels = ["messages", "values", "lifecycle", "updates"]
        last = seen[-1]["seq"]
        answer = second.ask("subscription.reconnect", channels=channels, last_event_id=str(last))
        assert answer["result"]["restored"] is True
        second.until_over(run_id)
    numbered = {event["event_id"]: event for event in seen}
    for event in second.events:
        assert numbered.setdefault(event["event_id"], event) == event
    gap = next(event for event in second.events if event["method"] == "custom")
    assert gap["params"]["data"]["name"] == "gap"
    whole = [event for event in second.events if event["method"] == "values"][-1]["params"]["data"]["messages"]
    assert [message["content"] for message in whole] == [SLOW, SLOW_ANSWER]
    assert client.said(thread) == [("human", SLOW), ("ai", SLOW_ANSWER)]
    assert client.get(f"/runs/{run_id}")["attempts"] == 2


@pytest.mark.parametrize("how", ["suspended", "stopped"])
@pytest.mark.once
def test_postgresql_is_away_for_five_seconds(openai_server: FakeOpenAI, how: str) -> None:
    """The run goes on meanwhile, or waits: in the end it is there, once."""
    with PostgreSQL() as database, LiveServer(database.url(), **settings_for(openai_server)) as server:
        client = LiveClient(server.url)
        thread = client.make_thread()
        assert client.wait_for_run(client.start_run(thread, "before"))["status"] == "success"
        with client.stream(thread, SLOW) as response:
            lines = response.iter_lines()
            run_id = run_id_of(next(line for line in lines if line.startswith(b"data")))
            assert any(b"tok1" in line for line in lines)
            if how == "suspended":
                database.pause()
            else:
                database.end(signal.SIGINT)
            resumed = threading.Timer(5, database.resume if how == "suspended" else database.begin)
            resumed.start()
            rest = list(lines)
            resumed.join()
        assert b"event: end" in rest
        run = wait_until(lambda: ended(client, run_id), timeout=RECOVERY)
        assert run["status"] == "success", run
        assert client.said(thread) == [
            ("human", "before"),
            ("ai", "Echo: before"),
            ("human", SLOW),
            ("ai", SLOW_ANSWER),
        ]
        assert client.wait_for_run(client.start_run(thread, "after"))["status"] == "success"


def ended(client: LiveClient, run_id: str) -> Any:
    """The run, where it has ended; None also while the server cannot say."""
    with contextlib.suppress(requests.RequestException):
        run = client.get(f"/runs/{run_id}")
        return run if run["status"] not in UNFINISHED else None
    return None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6M", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.once
def test_a_disk_that_is_full(openai_server: FakeOpenAI, small_disk: Path) -> None:
    """What cannot be stored is refused, what is stored can be read, and the run ends when there is room again."""
    url = f"sqlite:///{small_disk / 'db.sqlite3'}"
    with LiveServer(url, **settings_for(openai_server)) as server:
        client = LiveClient(server.url)
        thread = client.make_thread()
        assert client.wait_for_run(client.start_run(thread, "before"))["status"] == "success"
        run_id = client.start_run(thread, SLOW)
        with client("GET", f"/runs/{run_id}/stream", stream=True) as response:
            lines = response.iter_lines()
            assert any(b"tok1" in line for line in lines)
            filler = small_disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    continue
            # It goes on being heard; that it has ended is said when that is stored.
            assert any(b"tok39" in line for line in lines)
        large = [{"type": "human", "content": "x" * 500_000}]
        refused = client("POST", "/runs", {"thread_id": thread, "input": large})
        assert refused.status_code in (500, 503)
        assert list(refused.json()) == ["detail"]
        assert client.said(thread)[:3] == [("human", "before"), ("ai", "Echo: before"), ("human", SLOW)]
        filler.unlink()
        run = wait_until(lambda: ended(client, run_id), timeout=RECOVERY)
        assert run["status"] == "success", run
        assert client.said(thread)[2:] == [("human", SLOW), ("ai", SLOW_ANSWER)]
        assert client.wait_for_run(client.start_run(thread, "after"))["status"] == "success"


@pytest.mark.once
def test_a_database_that_takes_no_writes(openai_server: FakeOpenAI) -> None:
    """As after a failover to a copy: it is read, nothing is lost, and the run ends when it takes them again."""
    with PostgreSQL() as database, LiveServer(database.url(), **settings_for(openai_server)) as server:
        client = LiveClient(server.url)
        thread = client.make_thread()
        run_id = start_slow_run(client, thread, SLOW)
        read_only(database, True)
        assert wait_until(lambda: refusal(client, thread), timeout=RECOVERY) in (500, 503)
        assert client.get(f"/threads/{thread}")["thread_id"] == thread
        time.sleep(3)
        read_only(database, False)
        run = wait_until(lambda: ended(client, run_id), timeout=RECOVERY)
        assert run["status"] == "success", run
        assert client.said(thread) == [("human", SLOW), ("ai", SLOW_ANSWER)]


def read_only(database: PostgreSQL, is_so: bool) -> None:
    """Have all sessions of the database take no writes, or take them again."""
    with psycopg.connect(database.url(), autocommit=True, options="-c default_transaction_read_only=off") as server:
        server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if is_so else 'off'}")
        server.execute("SELECT pg_reload_conf()")


def refusal(client: LiveClient, thread: str) -> int | None:
    """The status of the refusal to start a run; None where it is not refused."""
    status = client("POST", "/runs", {"thread_id": thread, "input": [], "multitask_strategy": "reject"}).status_code
    return None if status in (200, 409) else status
