"""What may be said over a WebSocket, how often, and for how long: nobody costs the others more than their share."""

import contextlib
import json
import os
import signal
import socket as sockets
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.databases import new_database
from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI, tokens

pytestmark = pytest.mark.acceptance

LIMIT = 200_000
HUMAN = [{"type": "human", "content": "hello"}]
BAD = {
    "no JSON": "{",
    "no object": "[]",
    "text": '"x"',
    "nothing": "",
    "null": "null",
    "no method": '{"id": 1}',
    "no id": '{"method": "state.get"}',
    "an id that is no number": '{"id": "1", "method": "state.get"}',
    "an id that is true": '{"id": true, "method": "state.get"}',
    "params that are none": '{"id": 1000, "method": "state.get", "params": []}',
    "too deep": "[" * 5000 + "]" * 5000,
    "half a character": '{"id": 1000, "method": "\\ud800"}',
    "a NUL": '{"id": 1000, "method": "run.cancel", "params": {"run_id": "\\u0000"}}',
    "a long number": '{"id": 1000, "method": "state.listCheckpoints", "params": {"limit": 1e400}}',
}


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    limits = {"MAX_BODY_BYTES": str(LIMIT), "WEBSOCKET_MAX_SUBSCRIPTIONS": "4"}
    with new_database() as url, LiveServer(url, **limits, **_openai_server.settings) as server:
        yield server


@pytest.fixture(scope="module")
def impatient(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server that waits for nobody for long."""
    limits = {"WEBSOCKET_IDLE_TIMEOUT": "10", "WEBSOCKET_SEND_TIMEOUT": "2"}
    with new_database() as url, LiveServer(url, **limits, **_openai_server.settings) as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> LiveClient:
    return LiveClient(live.url)


@pytest.fixture
def thread(client: LiveClient) -> str:
    return client.make_thread()


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_command(live: LiveServer, thread: str, text: str) -> None:
    with LiveSocket(live.url, thread) as socket:
        answer = socket.say(text)
        # A NUL may stand in JSON: that command is one, about a run that there cannot be.
        error = "no_such_run" if text == BAD["a NUL"] else "invalid_argument"
        assert (answer["type"], answer["error"]) == ("error", error)
        # It was told, and goes on.
        assert socket.ask("state.get")["result"]["values"] == {"messages": []}


def test_bytes_are_no_command(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, thread) as socket:
        assert socket.say(b'{"id": 1000, "method": "state.get"}')["error"] == "invalid_argument"
        assert socket.ask("state.get")["type"] == "success"


def test_unknown_commands(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, thread) as socket:
        for method in ("state.set", "", "run", "State.Get"):
            assert socket.ask(method)["error"] == "unknown_command"


@pytest.mark.parametrize("text", ["y" * LIMIT, "é" * (LIMIT // 2)], ids=["characters", "bytes"])
def test_a_message_that_is_too_large(live: LiveServer, thread: str, text: str) -> None:
    command = {"id": 1000, "method": "state.get", "params": {"x": text}}
    with LiveSocket(live.url, thread) as socket:
        socket.connection.send(json.dumps(command, ensure_ascii=False))
        # What comes behind it is not done.
        with contextlib.suppress(Exception):
            socket.send("run.start", assistant_id="x")
        code, [frame] = socket.until_closed()
    assert (code, frame["error"]) == (4413, "invalid_argument")
    assert "MAX_BODY_BYTES" in frame["message"]


def test_subscriptions_of_one_socket(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, thread) as socket:
        found = [socket.ask("subscription.subscribe", channels=["values"]) for _ in range(5)]
        assert [answer["type"] for answer in found] == ["success"] * 4 + ["error"]
        assert found[4]["error"] == "invalid_argument"
        first = found[0]["result"]["subscription_id"]
        assert socket.ask("subscription.unsubscribe", subscription_id=first)["result"] == {}
        assert socket.ask("subscription.unsubscribe", subscription_id=first)["error"] == "no_such_subscription"
        assert socket.ask("subscription.subscribe", channels=["values"])["type"] == "success"
        # Their places are taken again by those that are there.
        ids = [answer["result"]["subscription_id"] for answer in found[1:4]]
        again = socket.ask("subscription.reconnect", last_event_id="0", subscriptions=ids)
        assert set(again["result"]["subscriptions"]) == set(ids)
        assert again["result"]["restored"] is True


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"channels": []},
        {"channels": "values"},
        {"channels": ["vaules"]},
        {"channels": ["custom:"]},
        {"channels": ["values"], "since": -1},
        {"channels": ["values"], "since": "x"},
        {"channels": ["values"], "namespaces": "x"},
        {"channels": ["values"], "depth": -1},
        {"channels": ["values"] * 65},
        {"channels": ["x" * 300]},
    ],
    ids=str,
)
def test_subscriptions_that_are_none(live: LiveServer, thread: str, params: dict[str, Any]) -> None:
    with LiveSocket(live.url, thread) as socket:
        answer = socket.ask("subscription.subscribe", **params)
        assert (answer["type"], answer["error"]) == ("error", "invalid_argument")
        assert answer["message"]


def test_a_parameter_of_another_command_harms_nobody(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, thread) as socket:
        assert socket.ask("state.get", on_disconnect="cancel")["type"] == "success"
        assert socket.ask("state.get", onDisconnect="cancel")["type"] == "success"


def test_other_addresses(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, f"{thread}/nothing") as socket:
        code, [frame] = socket.until_closed()
    assert (code, frame["error"]) == (4404, "not_supported")


@pytest.mark.parametrize("on_disconnect", ["cancel", "continue"])
@pytest.mark.parametrize("how", ["close", "vanish"])
def test_a_client_that_leaves(live: LiveServer, client: LiveClient, thread: str, on_disconnect: str, how: str) -> None:
    assistant = client.get(f"/threads/{thread}")["assistant_id"]
    text = "TOKENS:400 DELAY:10" if on_disconnect == "cancel" else "TOKENS:40 DELAY:20"
    with LiveSocket(live.url, thread) as socket:
        said = [{"type": "human", "content": text}]
        answer = socket.ask("run.start", assistant_id=assistant, input=said, on_disconnect=on_disconnect)
        run_id = answer["result"]["run_id"]
        socket.ask("subscription.subscribe", channels=["messages"])
        socket.until(lambda event: event["params"]["data"]["event"] == "content-block-delta")
        if how == "vanish":
            socket.connection.socket.shutdown(sockets.SHUT_RDWR)
    run = client.wait_for_run(run_id)
    assert run["status"] == ("cancelled" if on_disconnect == "cancel" else "success")
    assert client.messages(thread)[-1]["content"].startswith("tok0 ")


def test_a_stopping_server_has_not_been_left(live: LiveServer, client: LiveClient, thread: str) -> None:
    """A run that is to end with its client goes on when the server is back: it was the server that went."""
    if live.server != "uvicorn":
        pytest.skip("daphne does not tell its application that it starts, which is when the signals are watched")
    assistant = client.get(f"/threads/{thread}")["assistant_id"]
    said = [{"type": "human", "content": "TOKENS:100 DELAY:30"}]
    with LiveSocket(live.url, thread) as socket:
        answer = socket.ask("run.start", assistant_id=assistant, input=said, on_disconnect="cancel")
        socket.ask("subscription.subscribe", channels=["messages"])
        socket.until(lambda event: event["params"]["data"]["event"] == "content-block-delta")
        os.kill(live.pid, signal.SIGTERM)
        try:
            code, frames = socket.until_closed()
        finally:
            # The other tests need it, whatever comes of this.
            live.restart()
    # On a busy machine uvicorn may come first with its own word, which says the same.
    assert (code, [frame["error"] for frame in frames]) in [(4503, ["server_stopping"]), (1012, [])]
    assert client.wait_for_run(answer["result"]["run_id"])["status"] == "success"


def test_one_who_neither_says_nor_is_told_anything(impatient: LiveServer) -> None:
    thread = LiveClient(impatient.url).make_thread()
    with LiveSocket(impatient.url, thread, ping_interval=0.5) as socket:
        started = time.monotonic()
        code, [frame] = socket.until_closed()
    assert (code, frame["error"]) == (4408, "unknown_error")
    assert time.monotonic() - started >= 9.5


def test_one_who_talks_is_let_stay(impatient: LiveServer) -> None:
    thread = LiveClient(impatient.url).make_thread()
    with LiveSocket(impatient.url, thread) as socket:
        until = time.monotonic() + 13
        while time.monotonic() < until:
            assert socket.ask("state.get")["type"] == "success"
            time.sleep(0.5)


def test_one_who_does_not_read(impatient: LiveServer) -> None:
    """It costs no more than the server chose, slows nobody, and is told when it reads again."""
    client = LiveClient(impatient.url)
    thread = client.make_thread()
    # So that its values are large.
    large = {"values": [{"type": "human", "content": "x" * 1_000_000}]}
    client.post(f"/threads/{thread}/state", large)
    assistant = client.get(f"/threads/{thread}")["assistant_id"]
    process = psutil.Process(impatient.pid)
    with (
        LiveSocket(impatient.url, thread, max_queue=1, ping_interval=None) as stuck,
        LiveSocket(impatient.url, thread) as quick,
    ):
        for _ in range(8):
            stuck.send("subscription.subscribe", channels=["values", "messages"])
        before = process.memory_info().rss
        quick.ask("subscription.subscribe", channels=["messages", "lifecycle"])
        for number in range(3):
            answer = quick.ask(
                "run.start",
                assistant_id=assistant,
                input=[{"type": "human", "content": f"TOKENS:60 DELAY:20 {number}"}],
            )
            quick.until_over(answer["result"]["run_id"])
        assert quick.text() == tokens(60) * 3
        assert process.memory_info().rss - before < 100_000_000
        code, frames = stuck.until_closed()
    if impatient.server == "uvicorn":
        assert code == 4429
        assert [frame["message"] for frame in frames] == ["This client does not read what it is sent."]
    assert client.wait_for_run(client.start_run(thread, "after"))["status"] == "success"


def test_pings_are_answered_and_sent(live: LiveServer, thread: str) -> None:
    with LiveSocket(live.url, thread, ping_interval=None) as socket:
        assert socket.connection.ping().wait(30)
    address = ("127.0.0.1", live.port)
    with sockets.create_connection(address, timeout=60) as raw:
        lines = [
            f"GET /threads/{uuid.uuid4()}/stream/events HTTP/1.1",
            f"Host: 127.0.0.1:{live.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Cookie: {COOKIE}=alice",
        ]
        raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += raw.recv(4096)
        _, _, received = received.partition(b"\r\n\r\n")
        # A ping within 20 seconds, and some for a busy machine.
        raw.settimeout(40)
        while not received:
            received = raw.recv(4096)
        assert received[0] == 0x89
