"""Bodies that do not come: whoever sends them is told, and their connection is not kept for ever."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.databases import new_database
from tests.live_server import LiveServer

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def impatient(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    name = request.config.getoption("--server")
    with new_database() as url, LiveServer(url, server=name, BODY_TIMEOUT="1") as server:
        yield server


@pytest.mark.parametrize("path", ["/assistants", "/ingest", "/runs/stream", "/threads/x/commands"])
def test_a_body_that_does_not_come(impatient: LiveServer, request: pytest.FixtureRequest, path: str) -> None:
    if request.config.getoption("--server") == "daphne":
        pytest.skip("daphne reads the whole body before it calls the application")
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read())["detail"] == "Nothing more of the body has come for 1 seconds."
        assert connection.recv(1) == b""
