"""Agents with tools through the public API, and agents that ask before they use them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import new_database
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

TOOLS = ["add", "failing", "slow"]
ADD = 'TOOL:add {"a": 1, "b": 2}'
APPROVE = {"type": "approve"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools") / "ran"


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI, log: Path) -> Iterator[LiveServer]:
    """A server with tools of its operator's own."""
    settings = {
        **_openai_server.settings,
        "TOOLS": ",".join(f"tests.fakes.tools.{name}" for name in TOOLS),
        "FAKE_TOOLS_LOG": str(log),
        "RUN_HEARTBEAT": "1",
    }
    with new_database() as url, LiveServer(url, **settings) as server:
        yield server


@pytest.fixture
def client(live: LiveServer, log: Path) -> LiveClient:
    log.write_text("")
    return LiveClient(live.url)


def ran(log: Path) -> list[str]:
    """The tools that were run, in order."""
    return [json.loads(line)["tool"] for line in log.read_text().splitlines()]


def waiting(client: LiveClient, text: str = ADD) -> str:
    """A thread that waits for a decision on calls."""
    thread = client.make_thread(**{"type==agent/tools": TOOLS, "type==agent/interrupt_before_action": True})
    assert client.wait_for_run(client.start_run(thread, text))["status"] == "interrupted"
    assert client.get(f"/threads/{thread}/state")["next"]
    return thread


def go_on(client: LiveClient, thread: str, **body: Any) -> dict[str, Any]:
    """Resume, and wait for the end: the run."""
    run_id = client.post("/runs", {"thread_id": thread, "input": None, **body})["run_id"]
    return client.wait_for_run(run_id)


def command(*decisions: dict[str, Any]) -> dict[str, Any]:
    return {"resume": {"decisions": list(decisions)}}


def test_two_tools_at_once_one_of_them_failing(client: LiveClient) -> None:
    thread = client.make_thread(**{"type==agent/tools": TOOLS})
    stream = client.stream(thread, f'{ADD} TOOL:failing {{"text": "x"}}').text
    assert "event: error" not in stream
    _, call, added, failed, answer = client.messages(thread)
    assert [one["name"] for one in call["tool_calls"]] == ["add", "failing"]
    assert (added["content"], added["status"]) == ("3", "success")
    assert (failed["name"], failed["status"]) == ("failing", "error")
    assert "secret" not in stream
    assert answer["content"] == f"Echo: tool said 3 tool said {failed['content']}"


def test_confirm_edit_resume(client: LiveClient, log: Path) -> None:
    thread = waiting(client)
    call = client.messages(thread)[1]
    call["tool_calls"][0]["args"] = {"a": 40, "b": 2}
    client.post(f"/threads/{thread}/state", {"values": [call]})
    assert client.get(f"/threads/{thread}/state")["next"]
    assert ran(log) == []
    assert go_on(client, thread)["status"] == "success"
    assert client.said(thread)[1:] == [("ai", ""), ("tool", "42"), ("ai", "Echo: tool said 42")]
    assert ran(log) == ["add"]


def test_reject_with_a_reason(client: LiveClient, log: Path) -> None:
    thread = waiting(client, f"{ADD} {ADD}")
    decisions = command(APPROVE, {"type": "reject", "message": "once is enough"})
    assert client("POST", "/runs", {"thread_id": thread, "command": command(APPROVE)}).status_code == 422
    assert go_on(client, thread, command=decisions)["status"] == "success"
    results = [message for message in client.messages(thread) if message["type"] == "tool"]
    assert sorted(message["status"] for message in results) == ["error", "success"]
    assert "once is enough" in client.said(thread)[-1][1]
    assert ran(log) == ["add"]
    assert client("POST", "/runs", {"thread_id": thread, "command": decisions}).status_code == 409


def test_a_new_message_instead(client: LiveClient, log: Path) -> None:
    thread = waiting(client)
    assert client.wait_for_run(client.start_run(thread, "never mind"))["status"] == "success"
    _, _, refused, *rest = client.messages(thread)
    assert (refused["type"], refused["status"]) == ("tool", "error")
    assert [message["content"] for message in rest] == ["never mind", "Echo: never mind"]
    assert ran(log) == []


def test_a_resumed_run_survives_the_server(live: LiveServer, client: LiveClient, log: Path) -> None:
    thread = waiting(client, f'{ADD} TOOL:slow {{"seconds": 2}} {ADD}')
    decisions = command(APPROVE, APPROVE, {"type": "reject"})
    run_id = client.post("/runs", {"thread_id": thread, "command": decisions})["run_id"]
    wait_until(lambda: "slow" in ran(log))
    time.sleep(0.5)  # for the result of the quick one to be saved
    live.kill()
    live.restart()
    run = client.wait_for_run(run_id)
    assert (run["status"], run["attempts"]) == ("success", 2)
    assert sorted(ran(log)) == ["add", "slow", "slow"]
    assert client.get(f"/threads/{thread}/state")["next"] == []


def test_a_thread_is_usable_after_the_model_failed_to_answer_from_documents(client: LiveClient) -> None:
    thread = client.make_thread(type="chat_retrieval")
    assert client.wait_for_run(client.start_run(thread, "FAIL:400"))["status"] == "error"
    assert [kind for kind, _ in client.said(thread)] == ["human", "ai", "tool"]
    assert client.wait_for_run(client.start_run(thread, "hello"))["status"] == "success"
    assert client.said(thread)[-1] == ("ai", "Echo: hello")
