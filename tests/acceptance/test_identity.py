"""One identity, of every AUTH_TYPE, over REST, server-sent events and WebSocket alike: on the real server."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from langgraph_sdk import get_client

from tests.databases import new_database
from tests.fakes.oidc_issuer import Issuer, ec_key, public_jwk
from tests.live_client import RUN_TIMEOUT
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.python_client import said
from tests.services import FakeOpenAI
from tests.tokens import JWT_LOCAL, bearer, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "opengpts.settings.production",
    "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-everybody",
    "SECRETS_KEYS": "k" * 43 + "=",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SSL_REDIRECT": "false",
    "IDENTITY_CHECK": "1",
}
PASSWORD = "correct horse battery staple"
KEY = ec_key()
SLOW = "TOKENS:600 DELAY:50"


@dataclass
class Deployment:
    """A server, and how two people prove who they are; `end` has the first one's proof come to an end."""

    server: LiveServer
    ann: dict[str, str]
    bea: dict[str, str]
    refusal: int

    def ask(self, method: str, path: str, body: Any = None, *, headers: Any = None, **options: Any) -> Any:
        headers = self.ann if headers is None else headers
        url = self.server.url + path
        return requests.request(method, url, json=body, headers=headers, timeout=RUN_TIMEOUT, **options)

    def make_thread(self) -> tuple[str, str]:
        made = self.ask("POST", "/assistants", {"name": "a", "config": {"configurable": {"type": "chatbot"}}})
        assistant = made.json()["assistant_id"]
        thread = self.ask("POST", "/threads", {"name": "t", "assistant_id": assistant}).json()["thread_id"]
        return assistant, thread

    def make_key(self, *scopes: str, **body: Any) -> dict[str, Any]:
        made = self.ask("POST", "/api-keys", {"name": "k", "scopes": scopes, **body})
        assert made.status_code == 200, made.text
        key: dict[str, Any] = made.json()
        return key


def log_in(server: LiveServer, name: str) -> dict[str, str]:
    body = {"username": name, "password": PASSWORD}
    made = requests.post(f"{server.url}/auth/token", json=body, timeout=RUN_TIMEOUT)
    assert made.status_code == 200, made.text
    return bearer(made.json()["access"])


PEOPLE = f"""
from accounts.models import User
for name in ("ann", "bea"):
    User.objects.create_user(name, password={PASSWORD!r})
"""


@pytest.fixture(scope="module", params=["cookie", "jwt_local", "jwt_oidc", "local"])
def deployment(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[Deployment]:
    with Issuer() as issuer, new_database() as url:
        issuer.keys = [public_jwk(KEY, "k")]
        identity = {
            "cookie": {"TRUST_COOKIES": "true"},
            "jwt_local": JWT_LOCAL,
            "jwt_oidc": {"AUTH_TYPE": "jwt_oidc", "JWT_ISS": issuer.url, "JWT_AUD": "aud"},
            "local": {"AUTH_TYPE": "local"},
        }[request.param]
        with LiveServer(url, **{**PRODUCTION, **_openai_server.settings, **identity}) as server:
            if request.param == "local":
                server.manage("shell", "--verbosity=0", "-c", PEOPLE)
            ways: dict[str, Callable[[str], dict[str, str]]] = {
                "cookie": lambda name: {"Cookie": f"opengpts_user_id={name}"},
                "jwt_local": lambda name: bearer(signed(name)),
                "jwt_oidc": lambda name: bearer(issuer.token(KEY, "k", name)),
                "local": lambda name: log_in(server, name),
            }
            prove = ways[request.param]
            refusal = 403 if request.param.startswith("jwt") else 401
            yield Deployment(server, prove("ann"), prove("bea"), refusal)


def stream_body(thread: str, text: str = "hi") -> dict[str, Any]:
    return {"thread_id": thread, "input": [{"type": "human", "content": text}]}


def test_one_identity_for_rest_events_and_sockets(deployment: Deployment) -> None:
    assert deployment.ask("GET", "/auth/me").json()["user_id"] == "ann"
    _, thread = deployment.make_thread()
    with deployment.ask("POST", "/runs/stream", stream_body(thread), stream=True) as stream:
        assert b"event: end" in stream.content
    with LiveSocket(deployment.server.url, thread, None, headers=deployment.ann) as socket:
        messages = socket.ask("state.get")["result"]["values"]["messages"]
    assert [message["content"] for message in messages] == ["hi", "Echo: hi"]
    # Another user's is not there.
    other = deployment.bea
    assert deployment.ask("GET", f"/threads/{thread}/state", headers=other).status_code == 404
    assert deployment.ask("POST", "/runs/stream", stream_body(thread), headers=other).status_code == 404
    with LiveSocket(deployment.server.url, thread, None, headers=other) as socket:
        assert socket.until_closed()[0] == 4404


@pytest.mark.parametrize("kind", ["nobody", "garbage", "key"])
def test_who_is_nobody_is_nobody_everywhere(deployment: Deployment, kind: str) -> None:
    headers = {"nobody": {}, "garbage": bearer("a.b.c"), "key": {"X-Api-Key": "ogpt_000000000000_x"}}[kind]
    status = deployment.refusal if kind == "nobody" else 401
    challenge = "Bearer" if kind == "nobody" else 'Bearer error="invalid_token"'
    thread = str(uuid.uuid4())
    for method, path in (
        ("GET", "/threads"),
        ("POST", "/runs/stream"),
        ("POST", f"/threads/{thread}/stream/events"),
        ("POST", f"/threads/{thread}/commands"),
        ("GET", f"/runs/{thread}/stream"),
    ):
        answer = deployment.ask(method, path, {}, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (status, challenge), path
    with LiveSocket(deployment.server.url, thread, None, headers=headers) as socket:
        assert socket.until_closed()[0] == 4000 + status
    assert deployment.ask("GET", "/assistants/public", headers=headers).status_code == 200


def test_a_key_and_its_scopes(deployment: Deployment) -> None:
    assistant, thread = deployment.make_thread()
    reader, runner = (bearer(deployment.make_key(scope)["key"]) for scope in ("read", "run"))
    url = deployment.server.url
    insufficient = 'Bearer error="insufficient_scope", scope="run"'
    refused = deployment.ask("POST", "/runs/stream", stream_body(thread), headers=reader)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (403, insufficient)
    events = {"channels": ["values"]}
    assert deployment.ask("POST", f"/threads/{thread}/stream/events", events, headers=runner).status_code == 403
    with LiveSocket(url, thread, None, subprotocols=["bearer", reader["Authorization"].partition(" ")[2]]) as socket:
        assert socket.ask("state.get")["type"] == "success"
        answer = socket.ask("run.start", assistant_id=assistant, input=[])
        assert (answer["error"], "the scope run" in answer["message"]) == ("permission_denied", True)
        socket.ask("subscription.subscribe", channels=["lifecycle"])
        with LiveSocket(url, thread, None, headers=runner) as other:
            assert other.ask("subscription.subscribe", channels=["values"])["error"] == "permission_denied"
            assert other.ask("state.get")["error"] == "permission_denied"
            started = other.ask("run.start", assistant_id=assistant, input=[{"type": "human", "content": "hi"}])
        socket.until_over(started["result"]["run_id"])
    assert deployment.ask("DELETE", f"/threads/{thread}", headers=runner).status_code == 403
    assert deployment.ask("POST", "/api-keys", {"name": "x", "scopes": ["read"]}, headers=runner).status_code == 403


def test_what_a_key_has_opened_ends_with_it(deployment: Deployment) -> None:
    _, thread = deployment.make_thread()
    key = deployment.make_key("read", "run")
    headers = {"X-Api-Key": key["key"]}
    with (
        LiveSocket(deployment.server.url, thread, None, headers=headers) as socket,
        deployment.ask("POST", "/runs/stream", stream_body(thread, SLOW), headers=headers, stream=True) as stream,
    ):
        lines = stream.iter_lines()
        next(line for line in lines if b"tok0" in line)
        assert deployment.ask("DELETE", f"/api-keys/{key['id']}").status_code == 200
        closed, [frame] = socket.until_closed()
        assert (closed, frame["message"]) == (4401, "This API key was revoked.")
        told = [line for line in lines if line.startswith(b"data: ")]
        assert any(b'"status_code":401' in line for line in told)
    listed = {row["id"]: row for row in deployment.ask("GET", "/api-keys").json()}
    assert listed[key["id"]]["revoked_at"] is not None
    assert listed[key["id"]]["last_used_at"] is not None


async def test_the_official_client_with_a_key(deployment: Deployment) -> None:
    assistant, thread_id = deployment.make_thread()
    key = deployment.make_key("read", "run")["key"]
    async with (
        get_client(url=deployment.server.url, api_key=key) as client,
        client.threads.stream(thread_id, assistant_id=assistant) as thread,
    ):
        await thread.run.start(input={"messages": [{"role": "user", "content": "hi"}]})
        values = await thread.output
    assert said(values) == [("human", "hi"), ("ai", "Echo: hi")]


def test_a_login_ends_what_it_has_opened(deployment: Deployment) -> None:
    if "local" not in deployment.server.environment.get("AUTH_TYPE", "") or deployment.refusal == 403:
        pytest.skip("only this server's own logins are ended here")
    body = {"username": "ann", "password": PASSWORD}
    pair = requests.post(f"{deployment.server.url}/auth/token", json=body, timeout=RUN_TIMEOUT).json()
    _, thread = deployment.make_thread()
    with LiveSocket(deployment.server.url, thread, None, headers=bearer(pair["access"])) as socket:
        assert socket.ask("state.get")["type"] == "success"
        url = f"{deployment.server.url}/auth/token/revoke"
        assert requests.post(url, json={"refresh": pair["refresh"]}, timeout=RUN_TIMEOUT).ok
        assert socket.until_closed()[0] == 4401
    wait_until(lambda: deployment.ask("GET", "/auth/me").status_code == 200)


def test_the_document_says_how(deployment: Deployment) -> None:
    document = deployment.ask("GET", "/openapi.json", headers={}).json()
    ways = set(document["components"]["securitySchemes"])
    assert ways >= {"bearer", "api_key", "session"}
    assert ("cookie" in ways) == (deployment.server.environment.get("AUTH_TYPE") is None)
    paths = {path.rstrip("/?"): found for path, found in document["paths"].items()}
    assert {} in paths["/assistants/public"]["get"]["security"]
    assert {} not in paths["/assistants"]["get"]["security"]
    assert not paths["/auth/token"]["post"].get("security")
