"""Who may open a WebSocket, and go on using it: in production, where nobody is anybody by default."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.databases import new_database
from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

TRUSTED = "https://app.example"
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "opengpts.settings.production",
    "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-everybody",
    "SECRETS_KEYS": "k" * 43 + "=",
    "ALLOWED_HOSTS": "127.0.0.1",
    "TRUST_COOKIES": "true",
    "SSL_REDIRECT": "false",
    "CSRF_TRUSTED_ORIGINS": TRUSTED,
    "OPENAI_API_KEY": "a-key",
}
PEOPLE = """
import json
from django.test import Client
from datetime import timedelta
from django.utils import timezone
from accounts.keys import create_api_key
from accounts.models import User
from accounts.scopes import Scope
staff = User.objects.create_superuser("staff", password="a-password")
client = Client()
client.force_login(staff)
session = client.cookies["sessionid"].value
carol = User.objects.create(username="carol")
carol.set_unusable_password()
carol.save()
client.cookies.clear()
client.force_login(staff)
leaving = client.cookies["sessionid"].value
def key(ends):
    return create_api_key(owner=carol, name="k", scopes=list(Scope), expires_at=ends)[1]
print(json.dumps({
    "session": session,
    "leaving": leaving,
    "token": key(None),
    "expired": key(timezone.now() - timedelta(seconds=1)),
}))
"""


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    with new_database() as url, LiveServer(url, OPENAI_BASE_URL=_openai_server.base_url, **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def watchful(live: LiveServer) -> Iterator[LiveServer]:
    """A second process that looks every second who is still logged in."""
    environment = {**SETTINGS, "OPENAI_BASE_URL": live.environment["OPENAI_BASE_URL"], "IDENTITY_CHECK": "1"}
    with LiveServer(live.environment["DATABASE_URL"], **environment) as server:
        yield server


@pytest.fixture(scope="module")
def people(live: LiveServer) -> dict[str, str]:
    """The session of a staff member, and API keys of carol."""
    found: dict[str, str] = json.loads(live.manage("shell", "--verbosity=0", "-c", PEOPLE).splitlines()[-1])
    return found


def refusal(live: LiveServer, thread: str, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    with LiveSocket(live.url, thread, **options) as socket:
        return socket.until_closed()


def owner_by(live: LiveServer, headers: dict[str, str], *, protocols: list[str] | None = None) -> str:
    """Who the server takes a WebSocket with these headers for: whose the thread is that it makes."""
    assistant = LiveClient(live.url).make_assistant()
    LiveClient(live.url)(
        "PUT", f"/assistants/{assistant}", {"name": "a", "config": {"configurable": {}}, "public": True}
    )
    thread = str(uuid.uuid4())
    with LiveSocket(live.url, thread, None, headers=headers, subprotocols=protocols) as socket:
        answer = socket.ask("run.start", assistant_id=assistant, input=[{"type": "human", "content": "hi"}])
        assert answer["type"] == "success", answer
        socket.ask("subscription.subscribe", channels=["lifecycle"])
        socket.until_over(answer["result"]["run_id"])
        assert socket.connection.subprotocol == ("bearer" if protocols else None)
    code = f"from threads.models import Thread; print(Thread.objects.get(pk='{thread}').owner.username)"
    return live.manage("shell", "--verbosity=0", "-c", code).strip()


def test_nobody(live: LiveServer, people: dict[str, str]) -> None:
    code, [frame] = refusal(live, str(uuid.uuid4()), user=None)
    assert (code, frame["error"], frame["id"]) == (4401, "permission_denied", None)


def test_the_cookie(live: LiveServer) -> None:
    assert owner_by(live, {"Cookie": f"{COOKIE}=alice"}) == "alice"


def test_a_login(live: LiveServer, people: dict[str, str]) -> None:
    assert owner_by(live, {"Cookie": f"sessionid={people['session']}"}) == "staff"


def test_a_token_in_the_header(live: LiveServer, people: dict[str, str]) -> None:
    assert owner_by(live, {"Authorization": f"Bearer {people['token']}"}) == "carol"
    # It counts more than what a browser sends of itself.
    assert owner_by(live, {"Authorization": f"bearer {people['token']}", "Cookie": f"{COOKIE}=alice"}) == "carol"


def test_a_token_among_the_protocols(live: LiveServer, people: dict[str, str]) -> None:
    assert owner_by(live, {}, protocols=["bearer", people["token"]]) == "carol"


@pytest.mark.parametrize("token", ["expired", "none"])
def test_a_token_that_is_none(live: LiveServer, people: dict[str, str], token: str) -> None:
    given = people.get(token, "not.a.token")
    thread = str(uuid.uuid4())
    ways: list[dict[str, Any]] = [
        {"headers": {"Authorization": f"Bearer {given}"}},
        {"subprotocols": ["bearer", given]},
    ]
    for options in ways:
        assert refusal(live, thread, user=None, **options)[0] == 4401
    answer = requests.get(f"{live.url}/threads/", headers={"Authorization": f"Bearer {given}"}, timeout=30)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_nothing_is_taken_from_the_query(live: LiveServer, people: dict[str, str]) -> None:
    query = f"?token={people['token']}&access_token={people['token']}&{COOKIE}=alice&sessionid={people['session']}"
    thread = str(uuid.uuid4())
    assert refusal(live, f"{thread}/stream{query}&x=", user=None)[0] == 4401
    answer = requests.post(f"{live.url}/threads/{thread}/commands{query}", json={"id": 1, "method": "x"}, timeout=30)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1", "null", "http://127.0.0.1.evil.example"]
)
def test_a_page_of_another_site(live: LiveServer, people: dict[str, str], origin: str) -> None:
    for cookie in (f"{COOKIE}=alice", f"sessionid={people['session']}"):
        code, [frame] = refusal(live, str(uuid.uuid4()), user=None, origin=origin, headers={"Cookie": cookie})
        assert (code, frame["error"]) == (4403, "permission_denied")
    headers = {"Cookie": f"{COOKIE}=alice", "Sec-Fetch-Site": "cross-site"}
    assert refusal(live, str(uuid.uuid4()), user=None, headers=headers)[0] == 4403


def test_pages_that_may(live: LiveServer) -> None:
    for origin in (TRUSTED, live.url):
        with LiveSocket(live.url, str(uuid.uuid4()), origin=origin) as socket:
            assert socket.ask("state.get")["error"] == "permission_denied"


def test_another_users_thread(live: LiveServer) -> None:
    thread = LiveClient(live.url).make_thread()
    code, [frame] = refusal(live, thread, user="mallory")
    assert (code, frame["error"], frame["message"]) == (4404, "permission_denied", "Thread not found")
    assert refusal(live, "not-an-id")[0] == 4404
    assert refusal(live, "not-an-id", user=None)[0] in (4401, 4404)


def test_a_name_that_this_server_has_not(live: LiveServer) -> None:
    assert refusal(live, str(uuid.uuid4()), user="x" * 256)[0] == 4401
    assert refusal(live, str(uuid.uuid4()), user="staff")[0] == 4401


def test_a_thread_that_is_not_theirs_any_more(live: LiveServer) -> None:
    """Asked again with each command: what belongs to another by now, and what is gone."""
    client = LiveClient(live.url)
    thread = client.make_thread()
    with LiveSocket(live.url, thread) as socket:
        assert socket.ask("state.get")["type"] == "success"
        code = (
            "from accounts.models import User; from threads.models import Thread; "
            f"Thread.objects.filter(pk='{thread}').update(owner=User.objects.create(username='heir'))"
        )
        live.manage("shell", "--verbosity=0", "-c", code)
        commands: list[tuple[str, dict[str, Any]]] = [
            ("state.get", {}),
            ("subscription.subscribe", {"channels": ["values"]}),
            ("input.inject", {"message": {"role": "user", "content": "x"}}),
            ("run.start", {"assistant_id": client.make_assistant()}),
        ]
        for method, params in commands:
            answer = socket.ask(method, **params)
            assert (answer["type"], answer["error"]) == ("error", "permission_denied"), method
    deleted = client.make_thread()
    with LiveSocket(live.url, deleted) as socket:
        client("DELETE", f"/threads/{deleted}")
        assert socket.ask("state.get")["error"] == "permission_denied"


def test_a_user_who_was_shut_out(live: LiveServer) -> None:
    thread = LiveClient(live.url, "dave").make_thread()
    with LiveSocket(live.url, thread, "dave") as socket:
        assert socket.ask("state.get")["type"] == "success"
        code = "from accounts.models import User; User.objects.filter(username='dave').update(is_active=False)"
        live.manage("shell", "--verbosity=0", "-c", code)
        assert socket.ask("state.get")["error"] == "permission_denied"
        assert socket.ask("subscription.subscribe", channels=["values"])["error"] == "permission_denied"
    assert refusal(live, thread, user="dave")[0] == 4401


def test_a_stream_ends_with_the_login(watchful: LiveServer, people: dict[str, str]) -> None:
    headers = {"Cookie": f"sessionid={people['leaving']}", "Origin": watchful.url}
    assistant = requests.post(
        f"{watchful.url}/assistants", json={"name": "a", "config": {"configurable": {}}}, headers=headers, timeout=30
    ).json()["assistant_id"]
    body = {"name": "t", "assistant_id": assistant}
    thread = requests.post(f"{watchful.url}/threads", json=body, headers=headers, timeout=30).json()["thread_id"]
    run = {"thread_id": thread, "input": [{"type": "human", "content": "TOKENS:600 DELAY:50"}]}
    with (
        LiveSocket(watchful.url, thread, None, headers=headers) as socket,
        requests.post(
            f"{watchful.url}/threads/{thread}/stream/events",
            json={"channels": ["messages"]},
            headers=headers,
            stream=True,
            timeout=30,
        ) as events,
        requests.post(f"{watchful.url}/runs/stream", json=run, headers=headers, stream=True, timeout=30) as stream,
    ):
        lines = stream.iter_lines()
        next(line for line in lines if b"tok0" in line)
        assert socket.ask("state.get")["type"] == "success"
        code = f"Session.objects.get(pk='{people['leaving']}').delete()"
        watchful.manage("shell", "--verbosity=0", "-c", f"from django.contrib.sessions.models import Session; {code}")
        closed, [frame] = socket.until_closed()
        assert (closed, frame["error"]) == (4401, "permission_denied")
        *_, error, _, end, _ = [line for line in lines if not line.startswith(b": ")]
        assert (b'"status_code":401' in error, end) == (True, b"event: end")
        last = [line for line in events.iter_lines() if line.startswith(b"data: ")][-1]
        assert json.loads(last.removeprefix(b"data: "))["error"] == "permission_denied"


def test_a_socket_ends_with_its_token(watchful: LiveServer) -> None:
    code = (
        "from datetime import timedelta; from django.utils import timezone; from accounts.models import User; "
        "from accounts.keys import create_api_key; ends = timezone.now() + timedelta(seconds=4); "
        "staff = User.objects.get(username='staff'); "
        "print(create_api_key(owner=staff, name='k', scopes=['read'], expires_at=ends)[1])"
    )
    token = watchful.manage("shell", "--verbosity=0", "-c", code).strip()
    closed, [frame] = refusal(watchful, str(uuid.uuid4()), user=None, headers={"Authorization": f"Bearer {token}"})
    assert (closed, frame["message"]) == (4401, "This API key has expired.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_pages_of_other_sites_write_with_somebodys_login(
    live: LiveServer, people: dict[str, str], headers: dict[str, str]
) -> None:
    session = {"Cookie": f"sessionid={people['session']}"}
    thread = str(uuid.uuid4())
    writes = [
        ("POST", "/threads"),
        ("PUT", f"/threads/{thread}"),
        ("DELETE", f"/threads/{thread}"),
        ("POST", "/runs"),
        ("POST", "/runs/stream"),
        ("POST", f"/threads/{thread}/commands"),
        ("POST", f"/threads/{thread}/stream/events"),
        ("POST", f"/threads/{thread}/state"),
        ("POST", "/ingest"),
    ]
    for method, path in writes:
        answer = requests.request(method, live.url + path, json={}, headers={**session, **headers}, timeout=30)
        assert answer.status_code == 403, (method, path, answer.text)
        answer = requests.request(method, live.url + path, json={}, headers={**session, "Origin": live.url}, timeout=30)
        assert answer.status_code in ((200,) if method == "DELETE" else (400, 404, 422)), (method, path, answer.text)
    assert requests.get(f"{live.url}/threads/", headers={**session, **headers}, timeout=30).status_code == 200
