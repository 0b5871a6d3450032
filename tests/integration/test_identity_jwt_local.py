"""`AUTH_TYPE=jwt_local`, as the original server answers, over views and streams alike."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest

from accounts.logins import log_in
from accounts.models import User
from opengpts.auth import Credentials, identify, identify_scope
from opengpts.errors import OpenGPTsError, Unauthenticated
from tests.client import APIClient
from tests.integration.identity_settings import use_jwt_local
from tests.tokens import SECRET, bearer, claims, signed

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent.parent / "golden" / "auth_jwt_local.jsonl"
CASES = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
# About when the original was asked, within the minutes by which one of its tokens had expired.
ASKED_AT = 1795396720


@pytest.fixture(autouse=True)
def _jwt_local(settings: Any) -> None:
    use_jwt_local(settings)


def renewed(authorization: str, case: str) -> str:
    """A token of the golden file as if it were signed today, by our key: what it says, and how, are the same."""
    scheme, _, token = authorization.partition(" ")
    if token.count(".") != 2:
        return authorization
    said = jwt.decode(token, options={"verify_signature": False})
    if "exp" in said:
        said["exp"] = int(time.time()) + said["exp"] - ASKED_AT
    key = SECRET[::-1] if case == "bad_sig" else SECRET
    return f"{scheme} {jwt.encode(said, key, algorithm=jwt.get_unverified_header(token)['alg'])}"


def headers_of(case: dict[str, Any]) -> dict[str, str]:
    given = case["request"].get("headers", {})
    return {name: renewed(value, case["case"]) if name == "authorization" else value for name, value in given.items()}


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_it_answers_as_the_original(case: dict[str, Any]) -> None:
    response = APIClient(None)("GET", case["request"]["path"], **headers_of(case))
    golden = case["response"]
    assert response.status_code == golden["status"], response.content
    if case["case"] != "public_list_no_auth":  # which shows what its database held
        assert response.json() == json.loads(golden["body"])
    challenge = {
        200: None,
        401: 'Bearer error="invalid_token"',
        403: "Bearer",
    }[golden["status"]]
    assert response.headers.get("WWW-Authenticate") == challenge


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_streams_and_sockets_ask_the_same(case: dict[str, Any]) -> None:
    if case["case"] in ("public_list_no_auth", "ok_no_auth"):
        pytest.skip("open to everybody")
    headers = [(name.encode(), value.encode()) for name, value in headers_of(case).items()]
    golden = case["response"]
    for kind in ("http", "websocket"):
        scope = {"type": kind, "headers": headers}
        if golden["status"] == 200:
            assert identify_scope(scope).username in ("jwt-user", "5")
            continue
        with pytest.raises(OpenGPTsError) as refused:
            identify_scope(scope)
        assert (refused.value.status, {"detail": refused.value.message}) == (
            golden["status"],
            json.loads(golden["body"]),
        )


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Bearer", "Not authenticated"),
        ("Bearer ", "Not authenticated"),
        ("", "Not authenticated"),
        ("Digest username=x", "Invalid authentication credentials"),
        ("Bearer a b", None),
        ("Bearer \xe9\xff", None),
        ("Bearer ..", None),
        ("Bearer e30.e30.", None),
        ("Bearer " + "a" * 20000, None),
    ],
)
def test_headers_that_hold_no_token(header: str, detail: str | None) -> None:
    with pytest.raises(OpenGPTsError) as refused:
        identify(Credentials({}, header))
    assert refused.value.status == (403 if detail else 401)
    assert detail is None or refused.value.message == detail


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"aud": None},
        {"aud": []},
        {"aud": 5},
        {"iss": ["iss"]},
        {"exp": "soon"},
        {"exp": [1]},
        {"nbf": 2**40},
        {"subject": None},
        {"subject": 5},
        {"subject": ["jwt-user"]},
        {"subject": ""},
        {"subject": "a\x00b"},
        {"subject": "a\nb"},
        {"subject": "x" * 256},
        {"subject": "\ud800"},
    ],
    ids=str,
)
def test_what_a_token_may_not_say(changes: dict[str, Any]) -> None:
    said = claims(**changes)
    token = _raw(said)
    with pytest.raises(Unauthenticated) as refused:
        identify(Credentials({}, f"Bearer {token}"))
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert not User.objects.exists()


def _raw(said: dict[str, Any]) -> str:
    """A token whose claims PyJWT would not sign as they are."""
    return jwt.PyJWS().encode(json.dumps(said).encode(), SECRET, algorithm="HS256")


def test_a_token_may_be_good_for_ever() -> None:
    assert identify(Credentials({}, f"Bearer {_raw(claims(exp=1e308))}")).expires_at is None


def test_the_subject_is_the_user_who_is_made_when_first_seen() -> None:
    found = identify(Credentials({}, f"Bearer {signed('new@example.org', aud='another')}"))
    assert (found.user.username, found.by, found.scopes) == ("new@example.org", "jwt_local", None)
    assert found.expires_at is not None
    assert not found.user.has_usable_password()
    assert identify(Credentials({}, f"Bearer {signed('new@example.org')}")).user == found.user


def test_nobody_becomes_staff_a_user_with_a_password_or_one_who_was_shut_out(django_user_model: type[User]) -> None:
    django_user_model.objects.create_superuser("root", password="secret")
    django_user_model.objects.create_user("member", password="secret")
    django_user_model.objects.create(username="gone", password="!", is_active=False)
    django_user_model.objects.create(username="helper", password="!", is_staff=True)
    for name in ("root", "member", "gone", "helper"):
        assert APIClient(None)("GET", "/threads/", **bearer(signed(name))).status_code == 401


def test_tokens_of_other_kinds_are_refused(django_user_model: type[User]) -> None:
    django_user_model.objects.create_user("member", password="secret")
    ours = log_in(username="member", password="secret")
    unsigned = jwt.encode(claims(), "", algorithm="none")
    for token in (str(ours.access_token), str(ours), unsigned):
        assert APIClient(None)("GET", "/threads/", **bearer(token)).status_code == 401


def test_a_login_to_the_admin_counts(client: Any, django_user_model: type[User]) -> None:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    assert client.get("/auth/me").json()["identified_by"] == "session"
    # What is sent on purpose counts more.
    assert client.get("/auth/me", headers=bearer(signed("zoe"))).json()["user_id"] == "zoe"
    assert client.get("/auth/me", headers=bearer("x")).status_code == 401
    refused = client.post("/threads", {}, content_type="application/json", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403


def test_the_logins_of_local_are_not_there() -> None:
    for path in ("token", "token/refresh", "token/verify", "token/revoke"):
        for ending in ("", "/"):
            response = APIClient(None)("POST", f"/auth/{path}{ending}", {"username": "a"})
            assert response.status_code == 404
            assert "AUTH_TYPE is jwt_local" in response.json()["detail"]


def test_everything_but_the_public_assistants_needs_an_identity() -> None:
    anybody = APIClient(None)
    assert anybody("GET", "/assistants/public").status_code == 200
    # As in the original, which does not ask who it is there.
    assert anybody("GET", "/assistants/public/", **bearer("nonsense")).status_code == 200
    for path in (f"/assistants/{uuid.uuid4()}", "/threads", "/tools", "/models", "/api-keys", "/auth/me"):
        assert anybody("GET", path).status_code == 403
