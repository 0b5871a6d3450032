"""What one user's streams and WebSockets may take of a server: so many, so often, and not for ever unread."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
import requests

from tests.databases import new_database
from tests.live_client import COOKIE, LiveClient, run_body
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

SUBSCRIPTION = {"channels": ["values"]}


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server on which each may have two streams open, and must read them."""
    limits = {"STREAMS_PER_USER": "2", "STREAM_SEND_TIMEOUT": "3", "STREAM_HEARTBEAT": "1"}
    with new_database() as url, LiveServer(url, **limits, **_openai_server.settings) as server:
        yield server


@pytest.fixture(scope="module")
def hurried(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server that may be asked six times a day."""
    limits = {"THROTTLE_USER": "6/day", "THROTTLE_ANONYMOUS": "2/day", **_openai_server.settings}
    with new_database() as url, LiveServer(url, **limits) as server:
        yield server


def open_stream(client: LiveClient, thread: str) -> requests.Response:
    return client("POST", f"/threads/{thread}/stream/events", SUBSCRIPTION, stream=True)


def test_so_many_at_once(live: LiveServer) -> None:
    alice = LiveClient(live.url, "anna")
    thread = alice.make_thread()
    with ExitStack() as stack:
        first = stack.enter_context(open_stream(alice, thread))
        assert first.status_code == 200
        stack.enter_context(LiveSocket(live.url, thread, "anna")).ask("state.get")
        refused = open_stream(alice, thread)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert refused.json()["detail"] == "You have 2 streams and WebSockets open, as many as may be. Close some."
        with LiveSocket(live.url, thread, "anna") as third:
            code, [frame] = third.until_closed()
            assert (code, frame["error"]) == (4429, "rate_limited")
        # Nothing was done for a stream that there is no room for.
        assert alice("POST", "/runs/stream", run_body(thread, "hi")).status_code == 429
        assert alice.get(f"/threads/{thread}/runs") == []
        bob = LiveClient(live.url, "bob")
        with open_stream(bob, bob.make_thread()) as other:
            assert other.status_code == 200
        first.close()
        wait_until(lambda: _is_open(alice, thread))
    wait_until(lambda: _is_open(alice, thread))
    assert alice.stream(thread, "hi").status_code == 200


def _is_open(client: LiveClient, thread: str) -> bool:
    with open_stream(client, thread) as stream:
        return stream.status_code == 200


def test_whoever_does_not_read_is_cut_off(live: LiveServer) -> None:
    """Also where there is more to be sent than all buffers on the way hold; and their place is free again."""
    alice = LiveClient(live.url, "reluctant")
    thread = alice.make_thread()
    for _ in range(8):
        values = [{"type": "human", "content": "x" * 1_000_000}] * 3
        alice.post(f"/threads/{thread}/state", {"values": values})
    body = json.dumps(SUBSCRIPTION).encode()
    head = (
        f"POST /threads/{thread}/stream/events HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n"
        f"Cookie: {COOKIE}=reluctant\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as reluctant:
        reluctant.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reluctant.connect(("127.0.0.1", live.port))
        port = reluctant.getsockname()[1]
        reluctant.sendall(head.encode() + body)
        assert reluctant.recv(15) == b"HTTP/1.1 200 OK"
        assert _is_connected(live, port)
        wait_until(lambda: not _is_connected(live, port))
    # One that reads slowly, for longer than that, gets all of it.
    with open_stream(alice, thread) as slow:
        read, began = 0, time.monotonic()
        # Of 64 KB each, as they were sent.
        for chunk in slow.iter_content(None):
            read += len(chunk)
            if read > 24_000_000:
                break
            time.sleep(0.01)
        assert time.monotonic() - began > 3
    with ExitStack() as stack:
        for _ in range(2):
            wait_until(lambda: stack.enter_context(open_stream(alice, thread)).status_code == 200)


def _is_connected(live: LiveServer, port: int) -> bool:
    """Whether the server has an open connection to that port."""
    return any(
        connection.raddr and connection.raddr.port == port and connection.status == psutil.CONN_ESTABLISHED
        for connection in psutil.Process(live.pid).net_connections("tcp")
    )


def test_streams_and_commands_are_requests(hurried: LiveServer) -> None:
    """They count together with all others."""
    alice = LiveClient(hurried.url)
    thread = alice.make_thread()
    with LiveSocket(hurried.url, thread) as socket:
        answers: list[dict[str, Any]] = [socket.ask("state.get") for _ in range(4)]
        assert [answer["type"] for answer in answers] == ["success", "success", "success", "error"]
        assert answers[-1]["error"] == "rate_limited"
        assert "THROTTLE_USER" in answers[-1]["message"]
        subscribing = socket.ask("subscription.subscribe", channels=["values"])
        assert subscribing["error"] == "rate_limited"
    for answer in (
        alice("GET", "/assistants"),
        alice("POST", "/runs/stream", run_body(thread, "hi")),
        alice("POST", f"/threads/{thread}/stream/events", SUBSCRIPTION),
        alice("POST", f"/threads/{thread}/commands", {"id": 1, "method": "state.get"}),
    ):
        assert answer.status_code == 429
        assert "THROTTLE_USER" in answer.json()["detail"]
        assert 0 < int(answer.headers["Retry-After"]) <= 86400
    with LiveSocket(hurried.url, thread) as socket:
        code, [frame] = socket.until_closed()
        assert (code, frame["error"]) == (4429, "rate_limited")


def test_whoever_is_not_known_is_counted_too(hurried: LiveServer) -> None:
    thread = "5f1c9d50-6f4e-4b1c-9a44-0d6d2a5d7c11"
    headers = {"Cookie": f"{COOKIE}=" + "x" * 256}
    url = f"{hurried.url}/threads/{thread}/stream/events"
    answers = [requests.post(url, json=SUBSCRIPTION, headers=headers).status_code for _ in range(3)]
    assert answers == [401, 401, 429]
    with LiveSocket(hurried.url, thread, None, headers=headers) as socket:
        assert socket.until_closed()[0] == 4429
