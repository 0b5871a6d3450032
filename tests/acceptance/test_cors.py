"""Pages of other sites that may ask (CORS_ALLOWED_ORIGINS): what browsers are told, and what the server does."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from opengpts.cross_origin import RESPONSE_HEADERS
from tests.databases import new_database
from tests.live_client import COOKIE, LiveClient, run_body
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

APP, OTHER = "http://localhost:5173", "https://evil.example"
ALLOW_ORIGIN, ALLOW_CREDENTIALS = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"


def serve(request: pytest.FixtureRequest, openai: FakeOpenAI, **settings: str) -> Iterator[LiveServer]:
    name = request.config.getoption("--server")
    given = {**openai.settings, "CORS_ALLOWED_ORIGINS": f"https://app.example, {APP}", **settings}
    with new_database() as url, LiveServer(url, server=name, **given) as server:
        yield server


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """Open to two origins, without cookies."""
    yield from serve(request, _openai_server)


@pytest.fixture(scope="module")
def with_cookies(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """The same, with cookies."""
    yield from serve(request, _openai_server, CORS_ALLOW_CREDENTIALS="true")


def preflight(live: LiveServer, path: str, *, origin: str = APP, method: str = "POST", **headers: str) -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, **headers}
    return requests.options(f"{live.url}{path}", headers=asked, timeout=30)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/assistants"),
        ("PUT", "/threads/x"),
        ("DELETE", "/threads/x"),
        ("POST", "/runs/stream"),
        ("GET", "/runs/x/stream"),
        ("POST", "/threads/x/stream/events"),
        ("POST", "/threads/x/commands"),
        ("POST", "/ingest"),
    ],
)
def test_a_browser_that_asks_first_is_told_yes(live: LiveServer, method: str, path: str) -> None:
    wanted = "authorization, content-type, last-event-id, x-api-key"
    answer = preflight(live, path, method=method, **{"Access-Control-Request-Headers": wanted})
    assert answer.status_code == 200, answer.text
    assert answer.headers[ALLOW_ORIGIN] == APP
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert set(wanted.split(", ")) <= allowed
    assert ALLOW_CREDENTIALS not in answer.headers
    # As every answer.
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("origin", [OTHER, "null", "https://app.example.evil.example", "https://app.example:8443", ""])
def test_others_are_told_no(live: LiveServer, origin: str) -> None:
    for path in ("/assistants", "/runs/stream"):
        answer = preflight(live, path, origin=origin)
        assert answer.status_code == 400
        assert ALLOW_ORIGIN not in answer.headers
        headers = {"Origin": origin} if origin else {"Sec-Fetch-Site": "cross-site"}
        assert requests.post(f"{live.url}{path}", json={}, headers=headers, timeout=30).status_code == 403
    answer = requests.get(f"{live.url}/assistants", headers={"Origin": origin}, timeout=30)
    assert (answer.status_code, answer.headers.get(ALLOW_ORIGIN)) == (200, None)


def test_a_page_that_may_does_all_that_a_client_does(live: LiveServer) -> None:
    """As LangGraph's JavaScript client in a browser, which sends no cookie and here needs no key."""
    session = requests.Session()
    session.headers["Origin"] = APP
    assistant = session.post(f"{live.url}/assistants", json={"name": "a", "config": {"configurable": {}}}, timeout=30)
    assert (assistant.status_code, assistant.headers[ALLOW_ORIGIN]) == (200, APP)
    body = {"name": "t", "assistant_id": assistant.json()["assistant_id"]}
    thread = session.post(f"{live.url}/threads", json=body, timeout=30).json()["thread_id"]
    with session.post(f"{live.url}/runs/stream", json=run_body(thread, "hi"), stream=True, timeout=30) as stream:
        assert (stream.status_code, stream.headers[ALLOW_ORIGIN]) == (200, APP)
        assert b"event: end" in stream.content
    exposed = stream.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in RESPONSE_HEADERS)
    listed = session.get(f"{live.url}/threads/", timeout=30)
    assert (listed.headers["X-Total-Count"], listed.headers["Vary"]) == ("1", "Origin")
    for answer in (
        session.get(f"{live.url}/threads/{uuid4()}", timeout=30),
        session.post(f"{live.url}/runs/stream", data="{", timeout=30),
        session.patch(f"{live.url}/assistants", timeout=30),
    ):
        # A page reads why it was refused.
        assert answer.status_code >= 400
        assert answer.headers[ALLOW_ORIGIN] == APP
    with LiveSocket(live.url, thread, None, origin=APP) as socket:
        assert socket.ask("state.get")["type"] == "success"


def test_a_cookie_is_not_believed_unless_that_is_set(live: LiveServer, with_cookies: LiveServer) -> None:
    body = {"name": "a", "config": {"configurable": {}}}
    for server, status in ((live, 403), (with_cookies, 200)):
        alice = LiveClient(server.url)
        answer = alice("POST", "/assistants", body, headers={"Origin": APP})
        assert answer.status_code == status
        assert answer.headers.get(ALLOW_CREDENTIALS) == ("true" if server is with_cookies else None)
        with LiveSocket(server.url, str(uuid4()), origin=APP) as socket:
            closed = socket.until_closed()[0] if server is live else None
            assert closed == (4403 if server is live else None)
        assert alice("POST", "/assistants", body, headers={"Origin": OTHER}).status_code == 403
    assert preflight(with_cookies, "/runs/stream").headers[ALLOW_CREDENTIALS] == "true"


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/", "/admin/assistants/assistant/"])
def test_never_the_admin(with_cookies: LiveServer, path: str) -> None:
    for answer in (
        preflight(with_cookies, path),
        requests.get(f"{with_cookies.url}{path}", headers={"Origin": APP}, allow_redirects=False, timeout=30),
        requests.post(f"{with_cookies.url}{path}", headers={"Origin": APP}, timeout=30),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer.status_code in (403, 405)


def test_images_may_be_shown(live: LiveServer) -> None:
    code = (
        "from agents.tools.images import keep_image, store_image;"
        "print(keep_image(b'\\x89PNG\\r\\n\\x1a\\n', store_image))"
    )
    path = live.manage("shell", "--verbosity=0", "-c", code).strip()
    answer = requests.get(f"{live.url}{path}", headers={"Cookie": f"{COOKIE}=alice"}, timeout=30)
    assert (answer.status_code, answer.headers["Cross-Origin-Resource-Policy"]) == (200, "cross-origin")
