"""A run that is refused by quota is refused in the same words by each way to start one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.databases import new_database
from tests.live_client import LiveClient, run_body
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

TOLD = "Your quota of runs for today is used up: 0 of 0. It begins anew at "
START = {"input": [{"type": "human", "content": "hi"}]}


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server on which nobody may run anything."""
    name = request.config.getoption("--server")
    limits = {"QUOTA_RUNS_PER_DAY": "0", **_openai_server.settings}
    with new_database() as url, LiveServer(url, server=name, **limits) as server:
        yield server


@pytest.fixture
def alice(live: LiveServer) -> LiveClient:
    return LiveClient(live.url)


@pytest.mark.parametrize("path", ["/runs", "/runs/stream"])
def test_over_http(alice: LiveClient, path: str) -> None:
    answer = alice("POST", path, run_body(alice.make_thread(), "hi"))
    assert answer.status_code == 429
    assert answer.json()["detail"].startswith(TOLD)
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600


def test_by_a_command(live: LiveServer, alice: LiveClient) -> None:
    thread = alice.make_thread()
    params: dict[str, Any] = {"assistant_id": alice.get(f"/threads/{thread}")["assistant_id"], **START}
    answer = alice("POST", f"/threads/{thread}/commands", {"id": 1, "method": "run.start", "params": params})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600
    with LiveSocket(live.url, thread) as socket:
        over_socket = socket.ask("run.start", **params)
    for frame in (answer.json(), over_socket):
        assert (frame["type"], frame["error"]) == ("error", "quota_exceeded")
        assert frame["message"].startswith(TOLD)
    assert json.loads(alice("GET", f"/threads/{thread}/runs").text) == []
