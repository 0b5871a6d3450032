"""Runs outlive what happens to the server and to its clients: nothing is lost, nothing is there twice."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.databases import new_database
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI, tokens
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

# Seconds that a run may take to end after the server is up again. The answers below take two at most.
RECOVERY = 20.0
PING = re.compile(rb": ping - \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\r\n\r\n")
GOLDEN_PING = Path(__file__).parent.parent / "golden" / "sse" / "RAWSOCKET_ping_17s.txt"

SLOW = "TOKENS:20 DELAY:50"
SLOW_ANSWER = tokens(20)
A_TURN = [("human", "before"), ("ai", "Echo: before")]


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """One server for these tests. Each leaves it running."""
    with (
        new_database() as url,
        LiveServer(url, STREAM_HEARTBEAT="1", RUN_HEARTBEAT="1", **_openai_server.settings) as server,
    ):
        yield server


@pytest.fixture
def client(live: LiveServer) -> LiveClient:
    return LiveClient(live.url)


@pytest.fixture
def thread(client: LiveClient) -> str:
    """A thread in which there was one turn."""
    thread_id = client.make_thread()
    assert client.wait_for_run(client.start_run(thread_id, "before"))["status"] == "success"
    return thread_id


def start_slow_run(client: LiveClient, thread: str, model: FakeOpenAI) -> str:
    """Start a run and return when the model is writing its answer."""
    run_id = client.start_run(thread, SLOW)
    wait_until(lambda: any(not request["finished"] for request in model.requests()), timeout=RECOVERY)
    return run_id


def assert_thread_is_whole(client: LiveClient, thread: str, *turns: tuple[str, str]) -> None:
    """It says what is expected, each message once, and answers when it is asked again."""
    assert client.said(thread) == [*A_TURN, *turns]
    ids = [message["id"] for message in client.messages(thread)]
    assert len(ids) == len(set(ids))
    assert client.get(f"/threads/{thread}/state")["next"] == []
    assert client.wait_for_run(client.start_run(thread, "after"))["status"] == "success"
    assert client.said(thread) == [*A_TURN, *turns, ("human", "after"), ("ai", "Echo: after")]


@pytest.mark.parametrize("ending", ["kill", "terminate"])
def test_a_run_goes_on_after_the_server_was_gone(
    live: LiveServer, client: LiveClient, thread: str, openai_server: FakeOpenAI, ending: str
) -> None:
    run_id = start_slow_run(client, thread, openai_server)
    waiting_id = client.start_run(thread, "queued")
    getattr(live, ending)()
    with pytest.raises(requests.ConnectionError):
        client.get("/ok")
    live.restart()
    run = client.wait_for_run(run_id, timeout=RECOVERY)
    assert (run["status"], run["error"], run["attempts"]) == ("success", None, 2)
    assert client.wait_for_run(waiting_id, timeout=RECOVERY)["status"] == "success"
    turns = [("human", SLOW), ("ai", SLOW_ANSWER), ("human", "queued"), ("ai", "Echo: queued")]
    assert_thread_is_whole(client, thread, *turns)


def test_a_client_that_leaves_does_not_end_the_run(client: LiveClient, thread: str) -> None:
    with client.stream(thread, SLOW) as response:
        lines = response.iter_lines()
        run_id = re.search(r'"run_id":"([^"]+)"', next(line for line in lines if line.startswith(b"data")).decode())
        assert b"tok0" in next(line for line in lines if line.startswith(b"data"))
    assert run_id
    assert client.get(f"/runs/{run_id[1]}")["status"] == "running"
    assert client.wait_for_run(run_id[1])["status"] == "success"
    assert_thread_is_whole(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER))


def test_runs_that_are_posted_at_once_are_done_one_after_the_other(
    live: LiveServer, client: LiveClient, thread: str
) -> None:
    texts = ["TOKENS:3 DELAY:50 one", "TOKENS:3 DELAY:50 two"]
    with ThreadPoolExecutor(len(texts)) as pool:
        run_ids = pool.map(lambda text: LiveClient(live.url).start_run(thread, text), texts)
        runs = {text: client.wait_for_run(run_id) for text, run_id in zip(texts, run_ids, strict=True)}
    assert {run["status"] for run in runs.values()} == {"success"}
    first, second = sorted(runs, key=lambda text: runs[text]["created_at"])
    assert runs[first]["finished_at"] <= runs[second]["started_at"]
    answer = ("ai", "tok0 tok1 tok2 ")
    assert_thread_is_whole(client, thread, ("human", first), answer, ("human", second), answer)


def test_a_stream_ends_when_its_thread_is_deleted(client: LiveClient, thread: str) -> None:
    with client.stream(thread, "TOKENS:1000 DELAY:50") as response:
        lines = response.iter_lines()
        assert any(b"tok0" in line for line in lines)
        assert client("DELETE", f"/threads/{thread}").json() == {"status": "ok"}
        rest = [line for line in lines if line.startswith(b"event") or b"status_code" in line]
    assert rest[-1] == b"event: end"
    assert b'"code":"not_found"' in rest[-2]
    assert client("GET", f"/threads/{thread}").status_code == 404
    other = client.make_thread()
    assert client.wait_for_run(client.start_run(other, "hello"))["status"] == "success"


def test_a_stream_that_waits_says_that_it_is_there(client: LiveClient, thread: str) -> None:
    content: Any = client.stream(thread, "TOKENS:1 DELAY:2500").content
    before, _, after = content.partition(b"event: data")
    assert re.match(rb"id: \d+\r\nevent: metadata\r\n", before)
    assert len(PING.findall(before)) >= 1
    assert after.endswith(b"event: end\r\n\r\n")
    assert len(PING.findall(GOLDEN_PING.read_bytes())) == 1, "the original's pings look otherwise"


def test_a_stopping_server_ends_its_streams(
    live: LiveServer, client: LiveClient, thread: str, openai_server: FakeOpenAI
) -> None:
    if live.server != "uvicorn":
        pytest.skip("daphne does not tell its application that it starts, which is when the signals are watched")
    with client.stream(thread, SLOW) as response:
        lines = response.iter_lines()
        run_id = re.search(r'"run_id":"([^"]+)"', next(line for line in lines if line.startswith(b"data")).decode())
        assert any(b"tok0" in line for line in lines)
        live.terminate()
        rest = list(lines)
    assert run_id
    assert [line for line in rest if line.startswith(b"event")][-2:] == [b"event: error", b"event: end"]
    assert any(b'"code":"server_stopping"' in line for line in rest)
    assert "Traceback" not in live.log
    live.restart()
    assert client.wait_for_run(run_id[1], timeout=RECOVERY)["status"] == "success"
    assert_thread_is_whole(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER))
