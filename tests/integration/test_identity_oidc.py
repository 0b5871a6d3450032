"""`AUTH_TYPE=jwt_oidc`, against an issuer on this machine."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts.models import User
from opengpts.auth.issuer import Issuer as Known
from opengpts.auth.issuer import IssuerFailed, fetch_keys
from opengpts.auth.jwt_oidc import issuer as known_issuer
from opengpts.errors import IdentityUnavailable
from tests.client import APIClient
from tests.fakes.oidc_issuer import KEYS, METADATA, Issuer, ec_key, public_jwk, rsa_key
from tests.integration.identity_settings import use
from tests.tokens import AUDIENCE, bearer, claims, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

FIRST, SECOND, CURVE = rsa_key(), rsa_key(), ec_key()


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    with Issuer() as fake:
        fake.keys = [public_jwk(FIRST, "one"), public_jwk(CURVE, "curve")]
        use(settings, "jwt_oidc", JWT_ISS=fake.url, JWT_AUD=[AUDIENCE], JWT_KEYS_RETRY=0.0)
        known_issuer.cache_clear()
        yield fake
        known_issuer.cache_clear()


def status(token: str) -> int:
    return int(ask(token).status_code)


def ask(token: str) -> Any:
    return APIClient(None)("GET", "/auth/me", **bearer(token))


@pytest.mark.parametrize(("key", "kid"), [(FIRST, "one"), (CURVE, "curve")])
def test_a_token_of_the_issuer(issuer: Issuer, key: Any, kid: str) -> None:
    answer = ask(issuer.token(key, kid)).json()
    assert (answer["user_id"], answer["identified_by"]) == ("oidc-user", "jwt_oidc")
    for _ in range(3):
        assert status(issuer.token(key, kid)) == 200
    assert issuer.asked == [METADATA, KEYS]


def test_what_a_token_must_say(issuer: Issuer) -> None:
    for changes in ({"iss": "x"}, {"aud": "x"}, {"exp": 5}, {"exp": None}, {"iss": None}, {"aud": None}):
        answer = ask(issuer.token(FIRST, "one", **changes))
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    for subject in (None, "", "a\x00b", "x" * 256):
        assert status(issuer.token(FIRST, "one", subject)) == 401
    assert APIClient("alice")("GET", "/auth/me").status_code == 403
    assert APIClient(None)("GET", "/auth/me", Authorization="Basic x").status_code == 403
    assert not User.objects.exists()


def test_nobody_becomes_staff(issuer: Issuer, django_user_model: type[User]) -> None:
    django_user_model.objects.create_superuser("root", password="secret")
    assert status(issuer.token(FIRST, "one", "root")) == 401


def test_another_key_does_not_count(issuer: Issuer) -> None:
    assert status(issuer.token(SECOND, "one")) == 401
    assert status(issuer.token(SECOND, None)) == 401


def test_a_token_need_not_name_the_key_where_there_is_one(issuer: Issuer) -> None:
    assert status(issuer.token(FIRST, None)) == 200
    issuer.keys.append(public_jwk(SECOND, "two"))
    known_issuer.cache_clear()
    answer = ask(issuer.token(FIRST, None))
    assert (answer.status_code, "does not say which" in answer.json()["detail"]) == (401, True)


def test_rotation(issuer: Issuer) -> None:
    assert status(issuer.token(FIRST, "one")) == 200
    issuer.keys = [public_jwk(SECOND, "two")]
    assert status(issuer.token(SECOND, "two")) == 200
    # The old key is not the issuer's any more.
    assert status(issuer.token(FIRST, "one")) == 401


def test_nobody_can_have_the_issuer_asked_by_sending_tokens(issuer: Issuer, settings: Any) -> None:
    settings.JWT_KEYS_RETRY = 3600.0
    assert status(issuer.token(FIRST, "one")) == 200
    for number in range(20):
        assert status(issuer.token(SECOND, f"unknown-{number}")) == 401
    assert issuer.asked == [METADATA, KEYS]


def test_an_outage_of_the_issuer(issuer: Issuer, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.JWT_KEYS_REFRESH = 0.0
    assert status(issuer.token(FIRST, "one")) == 200
    issuer.status = 500
    for _ in range(3):
        assert status(issuer.token(FIRST, "one")) == 200
    wait_until(lambda: "cannot be asked for" in caplog.text)
    # Not for ever: a key that the issuer has taken back would count.
    settings.JWT_KEYS_MAX_AGE = 0.0
    answer = ask(issuer.token(FIRST, "one"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    issuer.status, settings.JWT_KEYS_MAX_AGE = 200, 3600.0
    assert status(issuer.token(FIRST, "one")) == 200
    wait_until(lambda: "can be asked for again" in caplog.text)


def test_an_issuer_that_was_never_there(issuer: Issuer, settings: Any) -> None:
    settings.JWT_ISS = "http://127.0.0.1:9"
    settings.JWT_KEYS_RETRY = 60.0
    answer = ask(issuer.token(FIRST, "one", iss="http://127.0.0.1:9"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "WWW-Authenticate" not in answer.headers
    # What nobody could check is no reason to wait for it.
    assert APIClient(None)("GET", "/auth/me").status_code == 403
    assert status("garbage") == 401


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "not a url"},
        {"id_token_signing_alg_values_supported": "RS256"},
    ],
    ids=str,
)
def test_metadata_that_is_not_the_issuers(issuer: Issuer, metadata: dict[str, Any]) -> None:
    issuer.metadata = metadata
    assert status(issuer.token(FIRST, "one")) == 503


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"\xff", b"[" * 100_000, b'{"a":"' + b"x" * 600_000 + b'"}'])
def test_answers_that_are_none(issuer: Issuer, body: bytes) -> None:
    issuer.body = body
    assert status(issuer.token(FIRST, "one")) == 503


def test_keys_that_are_not_for_this(issuer: Issuer) -> None:
    issuer.keys = [
        {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
        public_jwk(FIRST, "enc", use="enc"),
        public_jwk(FIRST, "ops", key_ops=["encrypt"]),
        public_jwk(FIRST, "other-alg", alg="PS256"),
        {"kty": "RSA", "kid": "broken", "n": "AQAB", "e": 5},
        {"kty": ["RSA"], "kid": "odd"},
        "no key",
        public_jwk(CURVE, "curve"),
    ]
    for kid in ("enc", "ops", "other-alg", "broken", "odd", "curve"):
        assert status(issuer.token(FIRST, kid)) == 401, kid
    assert status(jwt.encode(claims(iss=issuer.url), "s" * 32, algorithm="HS256", headers={"kid": "secret"})) == 401
    assert status(issuer.token(CURVE, "curve")) == 200


def test_algorithms_that_the_issuer_does_not_use(issuer: Issuer) -> None:
    assert status(issuer.token(FIRST, "one", algorithm="PS256")) == 401
    issuer.metadata = {"id_token_signing_alg_values_supported": ["none", "HS256", "PS256"]}
    known_issuer.cache_clear()
    assert status(issuer.token(FIRST, "one", algorithm="PS256")) == 200
    assert status(issuer.token(FIRST, "one")) == 401
    # One that does not say has RS256.
    issuer.metadata = {"id_token_signing_alg_values_supported": None}
    assert status(issuer.token(FIRST, "one")) == 401


def test_the_public_key_is_no_secret(issuer: Issuer) -> None:
    """The algorithm is the token's to say, where a server is careless: none at all, or HMAC by what everybody knows."""
    issuer.metadata = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    pem = FIRST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(public_jwk(FIRST, "one")).encode()
    for secret in (pem, pem.strip(), jwk, b""):
        assert status(_by_hand({"alg": "HS256", "kid": "one"}, claims(iss=issuer.url), secret)) == 401
    for alg in ("none", "None", "", None, ["RS256"], 5):
        assert status(_by_hand({"alg": alg, "kid": "one"}, claims(iss=issuer.url), b"")) == 401
    for kid in (5, ["one"], {"kid": "one"}, None, "\x00"):
        assert status(_by_hand({"alg": "RS256", "kid": kid}, claims(iss=issuer.url), b"")) == 401


def _by_hand(header: dict[str, Any], said: dict[str, Any], secret: bytes) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, said)]
    signature = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_tokens_of_jwt_local_are_none_of_the_issuers(issuer: Issuer) -> None:
    assert status(signed(iss=issuer.url)) == 401


def test_a_slow_issuer_is_given_up(issuer: Issuer, settings: Any) -> None:
    settings.JWT_ISSUER_TIMEOUT = 0.2
    issuer.delay = 1.0
    began = time.monotonic()
    assert status(issuer.token(FIRST, "one")) == 503
    assert time.monotonic() - began < 0.9


def test_threads_ask_once(issuer: Issuer, settings: Any) -> None:
    settings.JWT_KEYS_RETRY = 60.0
    issuer.delay = 0.1
    known = Known(issuer.url)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(known.key_for, [{"alg": "RS256", "kid": "one"}] * 8))
    assert len({key.key_id for key in found}) == 1
    assert issuer.asked == [METADATA, KEYS]


def test_threads_that_wait_for_nothing_wait_once(issuer: Issuer, settings: Any) -> None:
    settings.JWT_KEYS_RETRY = 60.0
    settings.JWT_ISSUER_TIMEOUT = 0.3
    issuer.delay = 1.0
    known = Known(issuer.url)

    def fails(_: int) -> bool:
        with pytest.raises(IdentityUnavailable):
            known.key_for({"alg": "RS256", "kid": "one"})
        return True

    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(fails, range(8)))
    assert time.monotonic() - began < 0.9
    assert len(issuer.asked) == 1


def test_nobody_waits_for_a_refresh(issuer: Issuer, settings: Any) -> None:
    known = Known(issuer.url)
    known.key_for({"alg": "RS256", "kid": "one"})
    settings.JWT_KEYS_REFRESH = 0.0
    issuer.delay = 0.5
    began = time.monotonic()
    known.key_for({"alg": "RS256", "kid": "one"})
    assert time.monotonic() - began < 0.4
    wait_until(lambda: issuer.asked.count(METADATA) >= 2)
    wait_until(lambda: not any(thread.name == "issuer-keys" for thread in threading.enumerate()))


def test_it_is_not_sent_elsewhere(issuer: Issuer) -> None:
    issuer.status = 302
    with pytest.raises(IssuerFailed, match="answered 302"):
        fetch_keys(issuer.url)
