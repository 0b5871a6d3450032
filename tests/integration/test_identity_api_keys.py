"""API keys: making, sending, revoking them, and what goes on around that."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.keys import create_api_key, find_api_key
from accounts.models import APIKey, User
from accounts.scopes import Scope
from accounts.services import create_api_user
from opengpts.auth import check_still, identify_scope
from opengpts.errors import Forbidden, Unauthenticated
from tests.client import APIClient
from tests.integration.identity_settings import use, use_jwt_local
from tests.tokens import bearer, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return create_api_user(username="alice")


def make(owner: User, *scopes: Scope, **options: Any) -> str:
    options = {"name": "k", "expires_at": None, **options}
    return create_api_key(owner=owner, scopes=scopes or list(Scope), **options)[1]


@pytest.mark.parametrize("auth_type", ["cookie", "jwt_local", "jwt_oidc", "local"])
def test_a_key_works_with_every_auth_type_however_it_is_sent(settings: Any, auth_type: str, alice: User) -> None:
    use(settings, auth_type, JWT_ISS="https://issuer.example", JWT_AUD=["aud"])
    token = make(alice, Scope.READ)
    for headers in (bearer(token), {"X-Api-Key": token}, {"Authorization": f"bearer  {token}"}):
        me = APIClient(None)("GET", "/auth/me", **headers).json()
        assert me == {"user_id": "alice", "identified_by": "api_key", "scopes": ["read"], "expires_at": None}
    # A key is what was meant, whatever a proxy or a browser sends beside it.
    assert APIClient("bob")("GET", "/auth/me", **{"X-Api-Key": token}).json()["user_id"] == "alice"
    headers = {"X-Api-Key": token, "Authorization": "Basic x"}
    assert APIClient(None)("GET", "/auth/me", **headers).json()["user_id"] == "alice"
    for extra in (
        {"headers": [(b"authorization", f"Bearer {token}".encode())]},
        {"headers": [(b"x-api-key", token.encode())]},
        {"headers": [], "subprotocols": ["bearer", token]},
    ):
        assert identify_scope({"type": "websocket", **extra}, needs=Scope.READ) == alice


def test_one_query_finds_it(alice: User) -> None:
    token = make(alice)
    find_api_key(token=token)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert find_api_key(token=token).owner.username == "alice"
    assert len(queries) == 1


def test_the_key_itself_is_stored_nowhere(alice: User) -> None:
    made = APIClient("alice")("POST", "/api-keys", {"name": "ci", "scopes": ["run", "read", "run"]})
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    shown = made.json()
    token = shown.pop("key")
    assert re.fullmatch(r"ogpt_[0-9a-f]{12}_[\w-]{43}", token)
    assert shown["scopes"] == ["read", "run"]
    row = APIKey.objects.values().get()
    assert row["digest"] == hashlib.sha256(token.encode()).hexdigest()
    assert token.rpartition("_")[2] not in str(row)
    assert APIClient("alice")("GET", "/api-keys").json() == [shown]
    assert APIClient("bob")("GET", "/api-keys/").json() == []


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "  ", "scopes": ["read"]}, "name"),
        ({"name": "x" * 101, "scopes": ["read"]}, "name"),
        ({"name": "a\x00b", "scopes": ["read"]}, "name"),
        ({"name": 5, "scopes": ["read"]}, "name"),
        ({"name": "a"}, "scopes"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["everything"]}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "a", "scopes": ["read"] * 9}, "scopes"),
        ({"name": "a", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"name": "a", "scopes": ["read"], "expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_bodies_that_are_refused(body: Any, where: str) -> None:
    response = APIClient("alice")("POST", "/api-keys/", body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", where]


def test_far_away_times_can_be_stored() -> None:
    for time in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"):
        response = APIClient("alice")("POST", "/api-keys", {"name": "a", "scopes": ["read"], "expires_at": time})
        assert response.status_code in (200, 422), response.content
        assert APIClient("alice")("GET", "/api-keys").status_code == 200


def refused(token: str) -> str:
    response = APIClient(None)("GET", "/threads/", **bearer(token))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return str(response.json()["detail"])


def test_what_is_no_key_any_more(alice: User) -> None:
    now = timezone.now()
    expired = make(alice, expires_at=now - timedelta(seconds=1))
    assert refused(expired) == "This API key has expired."
    token = make(alice)
    made = APIKey.objects.get(prefix=token.split("_")[1])
    assert APIClient("bob")("DELETE", f"/api-keys/{made.pk}").status_code == 404
    assert APIClient(None)("GET", "/threads/", **bearer(token)).status_code == 200
    for _ in range(2):
        assert APIClient("alice")("DELETE", f"/api-keys/{made.pk}/").json() == {"status": "ok"}
    made.refresh_from_db()
    assert made.revoked_at is not None
    assert refused(token) == "This API key was revoked."
    other = make(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert refused(other) == "The owner of this API key was shut out."
    alice.delete()
    assert refused(other) == "This API key is not valid."


@pytest.mark.parametrize("path", ["/api-keys/x", "/api-keys/00000000-0000-4000-8000-000000000000"])
def test_revoking_what_is_not_there_is_told(path: str) -> None:
    assert APIClient("alice")("DELETE", path).status_code == 404


def test_what_is_no_key(alice: User) -> None:
    token = make(alice)
    start, prefix, secret = token.split("_", 2)
    for wrong in (
        token[:-1],
        token + "x",
        f"{start}_{prefix}_{secret[::-1]}",
        f"{start}_{prefix[::-1]}_{secret}",
        f"{start}_{prefix}_",
        f"{start}_",
        f"{start}__{secret}",
        "ogpt_\xe9_x",
        f"{start}_{prefix}%00_{secret}",
        "ogpt_" + "a" * 20000,
    ):
        assert refused(wrong) == "This API key is not valid."


def test_no_nul_reaches_the_database(alice: User) -> None:
    with pytest.raises(Unauthenticated):
        find_api_key(token="ogpt_a\x00b_c")


def test_a_development_server_overlooks_what_is_not_meant_for_it() -> None:
    """LangGraph's clients send whatever key the environment has."""
    assert APIClient("alice")("GET", "/threads/", **{"X-Api-Key": "lsv2_something"}).status_code == 200
    assert APIClient("alice")("GET", "/threads/", **{"X-Api-Key": "ogpt_something"}).status_code == 401


def test_elsewhere_another_key_is_refused(settings: Any) -> None:
    use_jwt_local(settings)
    response = APIClient(None)("GET", "/threads/", **{"X-Api-Key": "lsv2_something"})
    assert (response.status_code, response.json()["detail"]) == (401, "X-Api-Key is no API key of this server.")
    # A bearer token beside it says who it is.
    assert APIClient(None)("GET", "/threads/", **{"X-Api-Key": "x"}, **bearer(signed())).status_code == 200


def test_the_last_use_is_written_once_a_minute(alice: User) -> None:
    token = make(alice)
    key = find_api_key(token=token)
    assert APIKey.objects.get(pk=key.pk).last_used_at is not None
    with CaptureQueriesContext(connection) as queries:
        find_api_key(token=token)
    assert len(queries) == 1
    earlier = timezone.now() - timedelta(seconds=61)
    APIKey.objects.filter(pk=key.pk).update(last_used_at=earlier)
    find_api_key(token=token)
    last = APIKey.objects.get(pk=key.pk).last_used_at
    assert last is not None
    assert last > earlier


def test_a_database_that_cannot_write_fails_no_request(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = make(alice)

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise OperationalError("attempt to write a readonly database")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        for _ in range(2):
            assert APIClient(None)("GET", "/auth/me", **bearer(token)).status_code == 200
    told = [record.message for record in caplog.records if record.name == keys.__name__]
    assert told == ["when API keys were used cannot be written down: attempt to write a readonly database"]
    assert APIClient(None)("GET", "/auth/me", **bearer(token)).status_code == 200


def test_a_user_has_so_many_keys(settings: Any, alice: User) -> None:
    settings.API_KEYS_PER_USER = 2
    client = APIClient("alice")
    body = {"name": "a", "scopes": ["read"]}
    ids = [client("POST", "/api-keys", body).json()["id"] for _ in range(2)]
    over = client("POST", "/api-keys", body)
    assert (over.status_code, "API_KEYS_PER_USER" in over.json()["detail"]) == (409, True)
    assert APIClient("bob")("POST", "/api-keys", body).status_code == 200
    for _ in range(4):
        client("DELETE", f"/api-keys/{ids.pop()}")
        ids.append(client("POST", "/api-keys", body).json()["id"])
    # What is not in use any more is not kept without end.
    assert len(client("GET", "/api-keys").json()) <= 4


def test_a_stream_ends_with_its_key(alice: User) -> None:
    token = make(alice, Scope.READ)
    scope = {"type": "http", "headers": [(b"x-api-key", token.encode())]}
    check_still(alice, scope, needs=Scope.READ)
    with pytest.raises(Forbidden):
        check_still(alice, scope, needs=Scope.RUN)
    APIKey.objects.update(expires_at=timezone.now())
    with pytest.raises(Unauthenticated):
        check_still(alice, scope, needs=Scope.READ)
