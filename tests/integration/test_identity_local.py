"""`AUTH_TYPE=local`: logging in by name and password, and all the ways in which that ends."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as live_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.logins import check_access, end_all_logins, log_in
from accounts.models import User
from opengpts.auth import check_still
from opengpts.errors import Unauthenticated
from opengpts.settings.environment import Rate
from tests.client import APIClient
from tests.integration.identity_settings import use
from tests.tokens import bearer, signed

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _local(settings: Any) -> None:
    use(settings, "local")


@pytest.fixture
def ann(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ann", password=PASSWORD)


def post(path: str, **body: Any) -> Any:
    return APIClient(None)("POST", f"/auth/{path}", body)


def pair() -> dict[str, str]:
    response = post("token", username="ann", password=PASSWORD)
    assert response.status_code == 200, response.content
    tokens: dict[str, str] = response.json()
    return tokens


def works(access: str) -> bool:
    response = APIClient(None)("GET", "/threads/", **bearer(access))
    assert response.status_code in (200, 401)
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return bool(response.status_code == 200)


def test_logging_in(ann: User) -> None:
    response = post("token/", username="ann", password=PASSWORD)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    tokens = response.json()
    assert list(tokens) == ["access", "refresh", "access_expires_at", "refresh_expires_at"]
    me = APIClient(None)("GET", "/auth/me", **bearer(tokens["access"])).json()
    assert me == {
        "user_id": "ann",
        "identified_by": "local",
        "scopes": ["read", "run", "manage"],
        "expires_at": tokens["access_expires_at"],
    }
    ann.refresh_from_db()
    assert ann.last_login is not None
    # No refresh token is stored that could be used.
    assert not OutstandingToken.objects.exists()


def test_one_query_says_who_it_is(ann: User) -> None:
    access = pair()["access"]
    with CaptureQueriesContext(connection) as queries:
        check_access(token=access)
    assert len(queries) == 1


@pytest.mark.parametrize(("username", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("ann", ""), ("", "")])
def test_a_wrong_name_or_password(ann: User, username: str, password: str) -> None:
    response = post("token", username=username, password=password)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert response.json() == {"detail": "No user who may log in has this name and password."}


def test_who_may_not_log_in(ann: User) -> None:
    User.objects.create(username="api", password="!")
    assert post("token", username="api", password="!").status_code == 401
    User.objects.update(is_active=False)
    assert post("token", username="ann", password=PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        ("token", [{}, {"username": "a"}, {"username": 5, "password": "x"}, {"username": "a\x00", "password": "x"},
                   {"username": "a", "password": "x\x00"}, {"username": "a" * 256, "password": "x"},
                   {"username": "a", "password": "x" * 5000}, [], "x", None]),
        ("token/refresh", [{}, {"refresh": 5}, {"refresh": ""}, {"refresh": "x" * 9000}, []]),
        ("token/verify", [{}, {"token": None}, {"token": "x" * 9000}]),
        ("token/revoke", [{}, {"refresh": []}, {"refresh": "x", "all": "perhaps"}]),
    ],
)  # fmt: skip
def test_malformed_bodies(path: str, bodies: list[Any]) -> None:
    for body in bodies:
        response = APIClient(None)("POST", f"/auth/{path}", body)
        assert response.status_code == 422, body
        assert response.json()["detail"][0]["loc"][0] == "body"
    assert APIClient(None)("GET", f"/auth/{path}").status_code == 405


def test_nobody_is_asked_to_log_in(ann: User) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Cookie": "opengpts_user_id=ann"}):
        response = APIClient(None)("GET", "/threads/", **headers)
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "/auth/token" in response.json()["detail"]


def test_refreshing(ann: User) -> None:
    first = pair()
    response = post("token/refresh", refresh=first["refresh"])
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    second = response.json()
    assert second["refresh"] != first["refresh"]
    # What is going on with the old access token goes on.
    assert works(first["access"])
    assert works(second["access"])
    assert post("token/refresh/", refresh=second["refresh"]).status_code == 200


def test_a_refresh_token_that_comes_twice_ends_the_login(ann: User) -> None:
    first = pair()
    second = post("token/refresh", refresh=first["refresh"]).json()
    other = pair()
    again = post("token/refresh", refresh=first["refresh"])
    assert (again.status_code, "used before" in again.json()["detail"]) == (401, True)
    for token in (first, second):
        assert not works(token["access"])
        assert post("token/refresh", refresh=token["refresh"]).status_code == 401
    assert works(other["access"])


def test_verifying(ann: User) -> None:
    tokens = pair()
    for token in (tokens["access"], tokens["refresh"]):
        assert post("token/verify", token=token).json() == {"status": "ok"}
    post("token/refresh", refresh=tokens["refresh"])
    for token in (tokens["refresh"], "garbage", signed("ann"), tokens["access"][:-5] + "AAAAA"):
        assert post("token/verify", token=token).status_code == 401


def test_logging_out_ends_its_tokens_and_no_others(ann: User) -> None:
    one, other = pair(), pair()
    scope = {"type": "http", "headers": [(b"authorization", f"Bearer {one['access']}".encode())]}
    check_still(ann, scope)
    assert post("token/revoke", refresh=one["refresh"]).json() == {"status": "ok"}
    assert not works(one["access"])
    with pytest.raises(Unauthenticated):
        check_still(ann, scope)
    assert post("token/refresh", refresh=one["refresh"]).status_code == 401
    assert post("token/verify", token=one["refresh"]).status_code == 401
    assert post("token/revoke", refresh=one["refresh"]).status_code == 401
    assert works(other["access"])


def test_logging_out_everywhere_ends_sessions_too(ann: User) -> None:
    tokens, browser = [pair(), pair()], Client()
    browser.force_login(ann)
    assert browser.get("/auth/me").status_code == 200
    assert post("token/revoke", refresh=tokens[0]["refresh"], all=True).status_code == 200
    assert not any(works(token["access"]) for token in tokens)
    assert post("token/refresh", refresh=tokens[1]["refresh"]).status_code == 401
    assert browser.get("/auth/me").status_code == 401
    assert works(pair()["access"])


def test_another_password_ends_all_tokens(ann: User) -> None:
    tokens = pair()
    ann.set_password("another password")
    ann.save()
    assert not works(tokens["access"])
    assert post("token/refresh", refresh=tokens["refresh"]).status_code == 401


def test_a_user_who_was_shut_out_or_deleted(ann: User) -> None:
    tokens = pair()
    User.objects.update(is_active=False)
    assert not works(tokens["access"])
    assert post("token/refresh", refresh=tokens["refresh"]).status_code == 401
    User.objects.update(is_active=True)
    assert works(tokens["access"])
    User.objects.all().delete()
    assert not works(tokens["access"])


def test_another_secret_key_ends_nothing_where_the_old_one_is_kept(ann: User, settings: Any) -> None:
    access = log_in(username="ann", password=PASSWORD).access_token
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-of-the-tests-that-is-as-long-as-it-should-be"
    user, _ = check_access(token=str(access))
    assert user == ann
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Unauthenticated):
        check_access(token=str(access))


def test_tokens_that_are_none_of_ours(ann: User) -> None:
    login = log_in(username="ann", password=PASSWORD)
    access = login.access_token
    expired = login.access_token
    expired.set_exp(lifetime=timedelta(seconds=-5))
    assert not works(str(expired))
    assert not works(str(login))  # a refresh token
    for claim in ("user_id", "login", "bound", "token_type", "jti", "exp"):
        changed = {name: value for name, value in access.payload.items() if name != claim}
        assert not works(jwt.encode(changed, live_settings.SECRET_KEY, algorithm="HS256")), claim
    for changes in ({"user_id": "x"}, {"user_id": "²"}, {"user_id": 5}, {"bound": "x"}, {"bound": "é"}):
        said = {**access.payload, **changes}
        assert not works(jwt.encode(said, live_settings.SECRET_KEY, algorithm="HS256")), changes
    assert not works(jwt.encode(access.payload, "", algorithm="none"))
    assert not works(jwt.encode(access.payload, live_settings.SECRET_KEY * 2, algorithm="HS512"))
    assert works(str(access))


def test_staff_can_end_the_logins_of_users(ann: User, admin_client: Any) -> None:
    access = pair()["access"]
    data = {"action": "end_logins", "_selected_action": [ann.pk]}
    assert admin_client.post("/admin/accounts/user/", data).status_code == 302
    assert not works(access)


def test_who_ends_their_logins_keeps_other_users(ann: User, django_user_model: type[User]) -> None:
    django_user_model.objects.create_user("bea", password=PASSWORD)
    access = pair()["access"]
    end_all_logins(user=django_user_model.objects.get(username="bea"))
    assert works(access)


def test_wrong_passwords_of_others_keep_nobody_from_going_on(ann: User, settings: Any) -> None:
    tokens = pair()
    settings.THROTTLE_LOGIN = Rate(2, 60)
    assert [post("token", username="ann", password="wrong").status_code for _ in range(3)] == [401, 401, 429]
    assert post("token/refresh", refresh=tokens["refresh"]).status_code == 200
