"""A server without a model: it starts, says so, and keeps what users say until there is one."""

from typing import Any

import pytest

from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({}, "OPENAI_API_KEY"),
    (
        {"type": "agent", "type==agent/agent_type": "GPT 3.5 Turbo", "type==agent/tools": ["Wikipedia"]},
        "OPENAI_API_KEY",
    ),
    ({"type": "chatbot", "type==chatbot/llm_type": "Claude 2"}, "ANTHROPIC_API_KEY"),
]


def test_what_was_said_is_kept_and_can_be_answered_later(
    request: pytest.FixtureRequest, database_url: str, openai_server: FakeOpenAI
) -> None:
    name = request.config.getoption("--server")
    with LiveServer(database_url, server=name, OPENAI_API_KEY="", LOCAL_MODEL="off") as server:
        client = LiveClient(server.url)
        assert "OPENAI_API_KEY" in client.get("/health")["model"]["problem"]
        threads = []
        for configurable, named in CONFIGS:
            thread = client.make_thread(**configurable)
            run = client.wait_for_run(client.start_run(thread, "hello"))
            assert run["status"] == "error"
            assert named in run["error"]["message"]
            assert client.said(thread) == [("human", "hello")]
            assert client.get(f"/threads/{thread}/state")["next"] == []
            assert run["error"]["message"] in server.log
            threads.append(thread)
        server.environment |= openai_server.settings
        server.restart()
        run_id = client.post("/runs", {"thread_id": threads[0], "input": None})["run_id"]
        assert client.wait_for_run(run_id)["status"] == "success"
        assert client.said(threads[0]) == [("human", "hello"), ("ai", "Echo: hello")]
