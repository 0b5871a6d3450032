"""Every kind of answer, whoever gives it, has the headers that keep browsers from making more of it than it is."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.databases import new_database
from tests.live_client import LiveClient, run_body
from tests.live_server import SERVERS, LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI

pytestmark = [pytest.mark.acceptance, pytest.mark.once]

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=3600",
}
NOTHING = {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}
PAGE = {
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'"),
    *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
}
SECURE = {"X-Forwarded-Proto": "https"}
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "opengpts.settings.production",
    "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-everybody",
    "SECRETS_KEYS": "k" * 43 + "=",
    "ALLOWED_HOSTS": "127.0.0.1",
    "TRUST_COOKIES": "true",
    "TRUST_FORWARDED_PROTO": "true",
    "OPENAI_API_KEY": "a-key",
}


@dataclass(frozen=True)
class Case:
    """A request, the status of its answer, its policy, and what may keep it."""

    method: str
    path: str
    status: int
    policy: frozenset[str] = frozenset(NOTHING)
    cache: str = "no-store"
    body: Any = None
    data: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


PAGES = frozenset(PAGE)
UNPOOLED = (("Connection", "close"),)
CASES = {
    "a view": Case("GET", "/assistants", 200),
    "a view without the user": Case("GET", "/threads/", 401, headers=(("Cookie", "x=y"),)),
    "liveness": Case("GET", "/ok", 200),
    "a HEAD": Case("HEAD", "/health", 200),
    "an unknown address": Case("GET", "/nowhere", 404),
    "an unknown id": Case("GET", "/threads/x", 404),
    "another method": Case("PATCH", "/assistants", 405),
    "another method of no view": Case("POST", "/ok", 405),
    "OPTIONS": Case("OPTIONS", "/assistants", 405),
    "a wrong body": Case("POST", "/assistants", 422, body={}),
    "no JSON": Case("POST", "/assistants", 422, data="{", headers=(("Content-Type", "application/json"),)),
    "a large body": Case("POST", "/assistants", 413, data="x" * 9_000_000, headers=UNPOOLED),
    "a stream that is refused": Case("POST", "/runs/stream", 422, body={}),
    "a stream of nothing": Case("GET", "/runs/x/stream", 404),
    "another method of a stream": Case("PUT", "/runs/stream", 405),
    "a large body for a stream": Case("POST", "/runs/stream", 413, data="x" * 9_000_000, headers=UNPOOLED),
    "another site's write": Case("POST", "/threads", 403, headers=(("Origin", "https://evil.example"),)),
    "another site's stream": Case("POST", "/runs/stream", 403, body={}, headers=(("Origin", "https://evil.example"),)),
    "another name": Case("GET", "/ok", 400, headers=(("Host", "evil.example"),)),
    "an upload": Case("POST", "/ingest", 422, headers=(("Content-Type", "multipart/form-data; boundary=x"),)),
    "the documentation": Case("GET", "/docs", 200, policy=PAGES - {"img-src 'self'"} | {"img-src 'self' data:"}),
    "its script": Case("GET", "/docs?script=", 200),
    "the OpenAPI document": Case("GET", "/openapi.json", 200),
    "a redirect": Case("GET", "/", 302, policy=PAGES),
    "the login": Case("GET", "/admin/login/", 200, policy=PAGES, cache="private"),
    "the admin": Case("GET", "/admin/", 302, policy=PAGES, cache="private"),
    "a form without its token": Case("POST", "/admin/login/", 403, policy=PAGES),
    "no page of the admin": Case("GET", "/admin/nowhere/", 302, policy=PAGES),
    "a static file": Case("GET", "/static/opengpts/admin.css", 200, cache="public"),
    "no static file": Case("GET", "/static/nowhere.css", 404),
    "no image": Case("GET", "/media/images/x.svg", 404),
    "no other file": Case("GET", "/media/db.sqlite3", 404),
}


@pytest.fixture(scope="module", params=SERVERS)
def live(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    settings = {**SETTINGS, "OPENAI_BASE_URL": _openai_server.base_url}
    with new_database() as url, LiveServer(url, server=request.param, **settings) as server:
        server.manage("collectstatic", "--noinput", "--verbosity=0")
        # Which files there are is looked up when it starts.
        server.restart()
        yield server


def assert_hardened(
    answer: requests.Response, *, policy: frozenset[str] = frozenset(NOTHING), cache: str = "no-store", **others: str
) -> None:
    raw = Counter(name.lower() for name in answer.raw.headers)
    assert not [name for name, number in raw.items() if number > 1], raw
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name, value in {**ALWAYS, **others}.items():
        assert headers[name] == value, name
    assert "camera=()" in headers["permissions-policy"]
    assert set(headers["content-security-policy"].split("; ")) == set(policy)
    assert cache in headers["cache-control"]
    assert "access-control-allow-origin" not in headers
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_kind_of_answer(live: LiveServer, case: Case) -> None:
    headers = {"Cookie": "opengpts_user_id=alice", **SECURE, **dict(case.headers)}
    answer = requests.request(
        case.method,
        live.url + case.path,
        json=case.body,
        data=case.data,
        headers=headers,
        allow_redirects=False,
        timeout=30,
    )
    assert answer.status_code == case.status, answer.text[:500]
    assert_hardened(answer, policy=case.policy, cache=case.cache)


def test_streams_that_are_given(live: LiveServer) -> None:
    alice = LiveClient(live.url)
    alice._session.headers.update(SECURE)
    thread = alice.make_thread()
    with alice.stream(thread, "hi") as stream:
        assert stream.status_code == 200
        assert_hardened(stream)
        assert b"event: end" in stream.content
    with alice("POST", f"/threads/{thread}/stream/events", {"channels": ["values"]}, stream=True) as events:
        assert events.status_code == 200
        assert_hardened(events)
    answer = alice("POST", "/runs", run_body(thread, "again"))
    assert answer.ok
    assert_hardened(answer)


def test_images(live: LiveServer) -> None:
    code = (
        "from agents.tools.images import keep_image, store_image;"
        "print(keep_image(b'\\x89PNG\\r\\n\\x1a\\n', store_image))"
    )
    path = live.manage("shell", "--verbosity=0", "-c", code).strip()
    answer = requests.get(live.url + path, headers=SECURE, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert_hardened(
        answer, policy=frozenset({"default-src 'none'", "sandbox", "frame-ancestors 'none'"}), cache="private"
    )


def test_what_is_sent_to_https(live: LiveServer) -> None:
    for method, path in (("GET", "/assistants"), ("POST", "/runs/stream"), ("GET", "/runs/%0d%0aX:y/stream")):
        answer = requests.request(method, live.url + path, allow_redirects=False, timeout=30)
        assert answer.status_code == 301
        assert answer.headers["Location"].startswith("https://127.0.0.1")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        # What comes over plain HTTP says nothing of HTTPS that one could trust.
        assert "Strict-Transport-Security" not in answer.headers


def test_a_socket_that_is_refused_at_the_gate(live: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as refused, LiveSocket(live.url, "x"):
        pass
    assert refused.value.response.status_code == 403
    if live.server == "uvicorn":  # daphne sends no reasons
        assert b"wss" in (refused.value.response.body or b"")
        assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"
