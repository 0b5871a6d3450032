"""Requests that pages of other sites have a browser make, with the cookies or the place that it has: all writes."""

from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket

pytestmark = pytest.mark.acceptance

FROM_ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
# What a page may send to any site without asking first: no body, or the types of a form.
SIMPLE: list[dict[str, Any]] = [
    {},
    {"data": "x=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"data": '{"a": 1}', "headers": {"Content-Type": "text/plain"}},
    {"files": {"files": ("a.txt", b"a")}},
]


@pytest.fixture(scope="module")
def alice(module_server: LiveServer) -> LiveClient:
    return LiveClient(module_server.url)


def writes(alice: LiveClient) -> list[tuple[str, str]]:
    """Every write of the API that has an address of its own, on what is alice's, and asks who one is."""
    paths = alice.get("/openapi.json")["paths"]
    thread = alice.make_thread()
    ids = {"id": str(uuid4()), "thread_id": thread, "run_id": str(uuid4())}
    return [
        (method.upper(), path.format_map(ids))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if method in ("post", "put", "patch", "delete") and operation.get("security")
    ]


@pytest.mark.parametrize("cookie", [f"{COOKIE}=alice", ""], ids=["by cookie", "as the default user"])
def test_no_write_is_done_for_a_page_of_another_site(alice: LiveClient, module_server: LiveServer, cookie: str) -> None:
    addresses = writes(alice)
    assert {"/runs/stream", "/ingest"} <= {path.rstrip("/") for _, path in addresses}
    assert any("cancel" in path for _, path in addresses)
    assert any("/stream/events" in path for _, path in addresses)
    for method, path in addresses:
        for number, headers in enumerate(FROM_ELSEWHERE):
            sent = SIMPLE[number]
            sent = {**sent, "headers": {**sent.get("headers", {}), **headers, "Cookie": cookie}}
            answer = requests.request(method, module_server.url + path, timeout=30, **sent)
            assert answer.status_code == 403, (method, path, headers, answer.text)
            assert "CSRF_TRUSTED_ORIGINS" in answer.json()["detail"]


def test_a_run_is_not_cancelled_and_nothing_deleted(alice: LiveClient, module_server: LiveServer) -> None:
    thread = alice.make_thread()
    with alice.stream(thread, "SLOW TOKENS:200") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if b"run_id" in line)
        [run] = alice.get(f"/threads/{thread}/runs")
        for method, path in (("POST", f"/runs/{run['run_id']}/cancel"), ("DELETE", f"/threads/{thread}")):
            assert alice(method, path, headers=FROM_ELSEWHERE[0]).status_code == 403
        assert alice.get(f"/threads/{thread}")["thread_id"] == thread
        assert alice("POST", f"/runs/{run['run_id']}/cancel", headers={"Origin": module_server.url}).ok


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}], ids=str)
def test_our_own_pages_and_programs_write(alice: LiveClient, headers: dict[str, str]) -> None:
    body = {"name": "a", "config": {"configurable": {}}}
    assert alice("POST", "/assistants", body, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", FROM_ELSEWHERE, ids=str)
def test_reading_is_no_write(alice: LiveClient, headers: dict[str, str]) -> None:
    """The browser does not let the page have the answer: there is no header that says it may."""
    answer = alice("GET", "/assistants", headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_no_socket_is_opened_for_a_page_of_another_site(module_server: LiveServer) -> None:
    for user in ("alice", None):
        with LiveSocket(module_server.url, str(uuid4()), user, origin="https://evil.example") as socket:
            assert socket.until_closed()[0] == 4403
