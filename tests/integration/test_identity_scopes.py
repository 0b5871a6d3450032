"""What API keys may ask for: every view, stream and command says it, and what does not is for people."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.keys import create_api_key
from accounts.scopes import Scope
from accounts.services import create_api_user
from opengpts.auth import ANY_KEY, PEOPLE, Identified, identify_scope, require
from opengpts.errors import Forbidden
from opengpts.routing import http
from runs.streaming.command_frames import Command
from runs.streaming.commands import HANDLERS, NEEDS, SUBSCRIPTIONS, need_of
from runs.streaming.http import EventStreamConsumer
from tests.client import APIClient
from tests.tokens import bearer

METHODS = ("get", "post", "put", "patch", "delete")
# Views of the project that are open to everybody, or are not the API's.
OPEN = {"public", "show_image", "ObtainView", "RefreshView", "VerifyView", "RevokeView"}
NEED_OF_REQUESTS = {
    ("GET", "/assistants"): Scope.READ,
    ("POST", "/assistants"): Scope.MANAGE,
    ("GET", "/assistants/{id}"): Scope.READ,
    ("PUT", "/assistants/{id}"): Scope.MANAGE,
    ("DELETE", "/assistants/{id}"): Scope.MANAGE,
    ("GET", "/assistants/{id}/graph"): Scope.READ,
    ("GET", "/assistants/{id}/documents"): Scope.READ,
    ("POST", "/assistants/{id}/documents"): Scope.MANAGE,
    ("GET", "/threads"): Scope.READ,
    ("POST", "/threads"): Scope.RUN,
    ("GET", "/threads/{id}"): Scope.READ,
    ("PUT", "/threads/{id}"): Scope.RUN,
    ("DELETE", "/threads/{id}"): Scope.MANAGE,
    ("GET", "/threads/{id}/state"): Scope.READ,
    ("POST", "/threads/{id}/state"): Scope.RUN,
    ("GET", "/threads/{id}/history"): Scope.READ,
    ("GET", "/threads/{id}/branches"): Scope.READ,
    ("GET", "/threads/{id}/documents"): Scope.READ,
    ("POST", "/threads/{id}/documents"): Scope.MANAGE,
    ("GET", "/threads/{id}/runs"): Scope.READ,
    ("POST", "/threads/{id}/runs/{id}/cancel"): Scope.RUN,
    ("POST", "/threads/{id}/stream/events"): Scope.READ,
    ("GET", "/documents/{id}"): Scope.READ,
    ("DELETE", "/documents/{id}"): Scope.MANAGE,
    ("POST", "/ingest"): Scope.MANAGE,
    ("POST", "/runs"): Scope.RUN,
    ("POST", "/runs/stream"): Scope.RUN,
    ("GET", "/runs/{id}"): Scope.READ,
    ("DELETE", "/runs/{id}"): Scope.MANAGE,
    ("POST", "/runs/{id}/cancel"): Scope.RUN,
    ("GET", "/runs/{id}/wait"): Scope.READ,
    ("GET", "/runs/{id}/stream"): Scope.READ,
    ("GET", "/runs/config_schema"): Scope.READ,
    ("GET", "/runs/input_schema"): Scope.READ,
    ("GET", "/runs/output_schema"): Scope.READ,
    ("GET", "/schedules"): Scope.READ,
    ("POST", "/schedules"): Scope.MANAGE,
    ("GET", "/schedules/{id}"): Scope.READ,
    ("PUT", "/schedules/{id}"): Scope.MANAGE,
    ("DELETE", "/schedules/{id}"): Scope.MANAGE,
    ("GET", "/models"): Scope.READ,
    ("GET", "/quotas"): Scope.READ,
    ("GET", "/tools"): Scope.READ,
    ("GET", "/api-keys"): Scope.READ,
    ("POST", "/api-keys"): PEOPLE,
    ("DELETE", "/api-keys/{id}"): PEOPLE,
    ("GET", "/auth/me"): ANY_KEY,
}


def key_of(name: str, *scopes: Scope) -> dict[str, str]:
    return bearer(create_api_key(owner=create_api_user(username=name), name="k", scopes=scopes, expires_at=None)[1])


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), NEED_OF_REQUESTS, ids=" ".join)
def test_a_request_needs_its_scope_and_no_other(method: str, path: str) -> None:
    need = NEED_OF_REQUESTS[method, path]
    anybody = APIClient(None)
    path = path.replace("{id}", str(uuid.uuid4()))
    body: Any = None if method in ("GET", "DELETE") else {}
    for scope in Scope:
        response = anybody(method, path, body, **key_of("alice", scope))
        if need in (scope, ANY_KEY):
            assert response.status_code not in (401, 403, 500), response.content
            continue
        assert response.status_code == 403, (scope, response.content)
        challenge = response.headers["WWW-Authenticate"]
        if need is PEOPLE:
            assert challenge == 'Bearer error="insufficient_scope"'
        else:
            assert challenge == f'Bearer error="insufficient_scope", scope="{need}"'
            assert f"the scope {need}" in response.json()["detail"]
    # A person has all.
    assert APIClient("alice")(method, path, body).status_code not in (401, 403)


def patterns(found: Any) -> Iterator[URLPattern]:
    for pattern in found:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from patterns(pattern.url_patterns)
        else:
            yield pattern


def actions() -> Iterator[tuple[str, Any, str]]:
    """Each action of each view of the API, with what says what it needs."""
    for pattern in patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, APIView) or view.__module__.startswith("drf_spectacular"):
            continue
        named: dict[str, str] = getattr(pattern.callback, "actions", None) or {
            method: method for method in METHODS if hasattr(view, method)
        }
        for name in named.values():
            if view.__name__ not in OPEN and name not in OPEN:
                yield str(pattern.pattern), view, name


@pytest.mark.once
@pytest.mark.parametrize(("pattern", "view", "name"), [*actions()])
def test_every_view_says_what_it_needs(pattern: str, view: Any, name: str) -> None:
    assert name in getattr(view, "needs", {}), f"{pattern}: {view.__name__}.needs says nothing of {name}"


@pytest.mark.once
def test_every_stream_says_what_it_needs() -> None:
    consumers = [route.callback.consumer_class for route in http.routes if hasattr(route.callback, "consumer_class")]
    assert len(consumers) >= 3
    assert all(consumer.needs in Scope for consumer in consumers)
    assert EventStreamConsumer.needs is PEOPLE


@pytest.mark.once
def test_every_command_says_what_it_needs() -> None:
    assert NEEDS.keys() == HANDLERS.keys() | {*SUBSCRIPTIONS}


@pytest.mark.once
def test_what_says_nothing_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NEEDS, "run.start")
    assert need_of(Command(1, "run.start", {})) is PEOPLE
    assert need_of(Command(1, "run.unheard_of", {})) == ANY_KEY


@pytest.mark.django_db
def test_a_view_that_says_nothing_is_for_people() -> None:
    class Silent(APIView):
        def get(self, request: Any) -> Any:
            raise AssertionError("it was done")

    request = APIRequestFactory().get("/", headers=key_of("alice", *Scope))
    assert Silent.as_view()(request).status_code == 403
    headers = [(name.lower().encode(), value.encode()) for name, value in key_of("alice", *Scope).items()]
    with pytest.raises(Forbidden):
        identify_scope({"type": "http", "headers": headers})


@pytest.mark.django_db
def test_people_need_nothing() -> None:
    require(Identified(create_api_user(username="alice"), "cookie"), PEOPLE)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "need"), NEEDS.items())
def test_commands_over_http(method: str, need: Scope) -> None:
    path = f"/threads/{uuid.uuid4()}/commands"
    for scope in Scope:
        response = APIClient(None)("POST", path, {"id": 1, "method": method}, **key_of("alice", scope))
        answer = json.loads(response.content)
        if scope == need:
            assert response.status_code != 403, answer
            continue
        assert (response.status_code, answer["error"], answer["id"]) == (403, "permission_denied", 1)
        assert response.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{need}"'


@pytest.mark.django_db
def test_a_method_that_there_is_not_is_told_so() -> None:
    assert APIClient(None)("PATCH", "/threads", {}, **key_of("alice", Scope.READ)).status_code == 405
    assert APIClient(None)("OPTIONS", "/threads", **key_of("alice", Scope.READ)).status_code == 405
    assert APIClient(None)("HEAD", "/threads", **key_of("alice", Scope.READ)).status_code == 200
