"""The server as a process: it starts, stops when asked, and comes back after a power cut."""

import signal

import pytest
import requests

from tests.live_server import SERVERS, LiveServer
from tests.services import accepts_connections

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_it_answers(server: LiveServer) -> None:
    assert requests.get(f"{server.url}/ok", timeout=5).json() == {"ok": True}
    assert requests.get(f"{server.url}/health", timeout=5).json()["status"] == "ok"


def test_it_ends_when_asked(server: LiveServer) -> None:
    assert server.terminate() in (0, -signal.SIGTERM)
    assert not accepts_connections(server.port)
    assert "Traceback" not in server.log


def test_what_was_saved_survives_a_kill(server: LiveServer) -> None:
    body = {"name": "kept", "config": {"configurable": {}}}
    saved = requests.post(f"{server.url}/assistants", json=body, timeout=5).json()
    server.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/ok", timeout=5)
    server.restart()
    assert requests.get(f"{server.url}/assistants/{saved['assistant_id']}", timeout=5).json() == saved


def test_a_server_that_cannot_start_says_why(database_url: str) -> None:
    with pytest.raises(RuntimeError, match="No module named no_server"):
        LiveServer(database_url, server="no_server")


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_it_answers_to_its_own_names_only(server: LiveServer) -> None:
    for method, path in (("GET", "/assistants/"), ("POST", "/runs/stream")):
        response = requests.request(method, f"{server.url}{path}", headers={"Host": "evil.example"}, timeout=5)
        assert response.status_code == 400
        assert "ALLOWED_HOSTS" in response.json()["detail"]
