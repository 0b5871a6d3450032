"""The settings of a deployment, each read by a process of its own."""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent.parent
KEY = "k" * 43 + "="
COMPLETE = {"SECRET_KEY": "x" * 60, "SECRETS_KEYS": KEY, "ALLOWED_HOSTS": "example.org", "TRUST_COOKIES": "true"}


def run(code: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "DATA_DIR": str(directory), **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60)


def production(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import django; django.setup(); print('started')"
    return run(code, directory, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **environment)


def test_production_starts_when_it_is_told_all_it_must_know(tmp_path: Path) -> None:
    assert production(tmp_path, **COMPLETE).stdout == "started\n"


@pytest.mark.parametrize("settings", ["production", "development"])
def test_what_is_stored_is_for_its_owner_only(tmp_path: Path, settings: str) -> None:
    new = tmp_path / "data"
    run("import django; django.setup()", new, DJANGO_SETTINGS_MODULE=f"opengpts.settings.{settings}", **COMPLETE)
    assert new.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRETS_KEYS": ""}, "SECRETS_KEYS"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"TRUST_COOKIES": "false"}, "TRUST_COOKIES"),
    ],
)
def test_production_refuses_to_start_unsafe(tmp_path: Path, missing: dict[str, str], named: str) -> None:
    refused = production(tmp_path, **(COMPLETE | missing))
    assert refused.returncode != 0
    assert "ImproperlyConfigured" in refused.stderr
    assert named in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"RUN_CONCURRENCY": "abc"}, "RUN_CONCURRENCY=abc should be a whole number."),
        ({"RUN_CONCURRENCY": "1.5"}, "RUN_CONCURRENCY=1.5 should be a whole number."),
        ({"RUN_HEARTBEAT": "5s"}, "RUN_HEARTBEAT=5s should be a number."),
        ({"RUN_EXECUTOR": "celery"}, "RUN_EXECUTOR=celery is neither inline nor procrastinate."),
        (
            {"RUN_EXECUTOR": "procrastinate", "REDIS_URL": "redis://localhost"},
            "RUN_EXECUTOR=procrastinate keeps its queue in PostgreSQL: set DATABASE_URL to one.",
        ),
        (
            {"RUN_EXECUTOR": "procrastinate", "DATABASE_URL": "postgres://localhost/x"},
            "RUN_EXECUTOR=procrastinate sends what runs say through Redis: set REDIS_URL.",
        ),
        (
            {"QUOTA_RUNS_PER_DAY": "-1"},
            "QUOTA_RUNS_PER_DAY=-1 should be a whole number from 0 to 9223372036854775808, or empty for no limit.",
        ),
        (
            {"QUOTA_COST_PER_DAY": "NaN"},
            "QUOTA_COST_PER_DAY=NaN should be a number from 0 to 10000000000, or empty for no limit.",
        ),
        (
            {"THROTTLE_USER": "10/week"},
            "THROTTLE_USER=10/week should be like 10/second (or minute, hour, day), or empty for no limit.",
        ),
        (
            {"THROTTLE_LOGIN": "0/minute"},
            "THROTTLE_LOGIN=0/minute should be like 10/second (or minute, hour, day), or empty for no limit.",
        ),
        ({"TOOL_URLS": "wikipedia"}, "TOOL_URLS=wikipedia should be a list like name=value,name=value."),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, setting: dict[str, str], sentence: str) -> None:
    refused = production(tmp_path, **(COMPLETE | setting))
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1] == f"django.core.exceptions.ImproperlyConfigured: {sentence}"
    assert "ValueError" not in refused.stderr


JWT = {
    "TRUST_COOKIES": "false",
    "AUTH_TYPE": "jwt_local",
    "JWT_ISS": "https://issuer.example",
    "JWT_AUD": "opengpts",
    "JWT_ALG": "HS256",
    "JWT_DECODE_KEY_B64": b64encode(b"x" * 32).decode(),
}
OIDC = {"TRUST_COOKIES": "false", "AUTH_TYPE": "jwt_oidc", "JWT_ISS": "https://issuer.example", "JWT_AUD": "opengpts"}
LOCAL = {"TRUST_COOKIES": "false", "AUTH_TYPE": "local"}


@pytest.mark.parametrize("identity", [JWT, OIDC, LOCAL], ids=["jwt_local", "jwt_oidc", "local"])
def test_production_starts_with_every_auth_type(tmp_path: Path, identity: dict[str, str]) -> None:
    started = production(tmp_path, **(COMPLETE | identity))
    assert started.stdout == "started\n", started.stderr


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        (JWT | {"AUTH_TYPE": "jwt"}, "AUTH_TYPE=jwt is none of cookie, jwt_local, jwt_oidc and local."),
        (JWT | {"JWT_ISS": ""}, "Set JWT_ISS: "),
        (JWT | {"JWT_AUD": " , "}, "Set JWT_AUD: "),
        (JWT | {"JWT_ALG": ""}, "Set JWT_ALG: "),
        (JWT | {"JWT_DECODE_KEY_B64": ""}, "Set JWT_DECODE_KEY_B64: "),
        (JWT | {"JWT_ALG": "none"}, "JWT_ALG=none is none of "),
        (JWT | {"JWT_ALG": "HS257"}, "JWT_ALG=HS257 is none of "),
        (JWT | {"JWT_DECODE_KEY_B64": "?"}, "JWT_DECODE_KEY_B64 is no base64: "),
        (JWT | {"JWT_ALG": "RS256"}, "JWT_DECODE_KEY_B64 is no key for JWT_ALG=RS256: "),
        (JWT | {"JWT_ALG": "HS512"}, "JWT_DECODE_KEY_B64 is too short: The HMAC key is 32 bytes long"),
        (OIDC | {"JWT_ISS": ""}, "Set JWT_ISS: "),
        (OIDC | {"JWT_AUD": ""}, "Set JWT_AUD: "),
        (OIDC | {"JWT_ISS": "issuer.example"}, "JWT_ISS=issuer.example should be a URL"),
        (OIDC | {"JWT_ISS": "http://issuer.example"}, "JWT_ISS=http://issuer.example should be a URL"),
        (OIDC | {"JWT_ISS": "https://a.example/?x=1"}, "JWT_ISS=https://a.example/?x=1 should have no query"),
        (LOCAL | {"SECRET_KEY": "short"}, "SECRET_KEY signs the tokens of AUTH_TYPE=local: "),
        (LOCAL | {"TOKEN_SIGNING_KEY": "short"}, "TOKEN_SIGNING_KEY signs the tokens of AUTH_TYPE=local: "),
    ],
)
def test_an_identity_that_cannot_be_is_refused_at_start(tmp_path: Path, setting: dict[str, str], named: str) -> None:
    refused = production(tmp_path, **(COMPLETE | setting))
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1].startswith(f"django.core.exceptions.ImproperlyConfigured: {named}")


def test_no_settings_module_can_forget_that_cookies_are_believed(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("from opengpts.settings.base import *\nSECRET_KEY = 'x' * 60\n")
    start = "import django; django.setup(); print('started')"
    ours = {"DJANGO_SETTINGS_MODULE": "ours", "PYTHONPATH": str(tmp_path)}
    refused = run(start, tmp_path, **ours)
    assert "Set TRUST_COOKIES=true only where" in refused.stderr.splitlines()[-1]
    assert run(start, tmp_path, **ours, TRUST_COOKIES="true").stdout == "started\n"
    assert run(start, tmp_path, **ours, **LOCAL).stdout == "started\n"
    # `make run`, which may be told to ask.
    development = {"DJANGO_SETTINGS_MODULE": "opengpts.settings.development"}
    assert run(start, tmp_path, **development).stdout == "started\n"
    assert run(start, tmp_path, **development, TRUST_COOKIES="false").returncode != 0


def test_logins_may_be_signed_by_a_key_of_their_own(tmp_path: Path) -> None:
    code = """
import django; django.setup()
import jwt
from rest_framework_simplejwt.tokens import AccessToken
print(jwt.decode(str(AccessToken()), "s" * 40, algorithms=["HS256"])["token_type"])
"""
    production_settings = {"DJANGO_SETTINGS_MODULE": "opengpts.settings.production", **COMPLETE, **LOCAL}
    assert run(code, tmp_path, **production_settings, TOKEN_SIGNING_KEY="s" * 40).stdout == "access\n"
    assert run(code, tmp_path, **production_settings).returncode != 0


def test_settings_as_people_write_them(tmp_path: Path) -> None:
    code = """
from django.conf import settings as s
print(s.TOOLS, s.OUTGOING_ALLOW, s.TOOL_URLS, s.RUN_CONCURRENCY, s.RUN_HEARTBEAT, s.ALLOWED_HOSTS)
"""
    lists = {
        "TOOLS": "mytools.add, mytools.shout,",
        "OUTGOING_ALLOW": " localhost:1 , 10.0.0.0/8",
        "TOOL_URLS": "arxiv = http://a/?b=c, pubmed=http://d",
        "ALLOWED_HOSTS": "a.example, b.example",
    }
    numbers = {"RUN_CONCURRENCY": " 7", "RUN_HEARTBEAT": "1e1"}
    read = run(code, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **(COMPLETE | lists | numbers))
    assert read.stdout.splitlines() == [
        "['mytools.add', 'mytools.shout'] ['localhost:1', '10.0.0.0/8'] "
        "{'arxiv': 'http://a/?b=c', 'pubmed': 'http://d'} 7 10.0 ['a.example', 'b.example']"
    ], read.stderr


def test_limits_as_people_write_them(tmp_path: Path) -> None:
    code = """
from django.conf import settings as s
print(s.QUOTA_RUNS_PER_DAY, s.QUOTA_TOKENS_PER_DAY, s.QUOTA_COST_PER_DAY, s.QUOTA_STORAGE_BYTES)
print(tuple(s.THROTTLE_USER), s.THROTTLE_LOGIN)
"""
    limits = {"QUOTA_RUNS_PER_DAY": " 5 ", "QUOTA_TOKENS_PER_DAY": "", "QUOTA_COST_PER_DAY": "0.50"}
    rates = {"THROTTLE_USER": "10 / Hour", "THROTTLE_LOGIN": ""}
    read = run(code, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **(COMPLETE | limits | rates))
    assert read.stdout.splitlines() == ["5 None 0.50 10737418240", "(10, 3600) None"], read.stderr


def test_no_management_command_waits_for_langchain(tmp_path: Path) -> None:
    code = """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
slow = {"langchain", "langchain_core", "langgraph", "openai", "twisted"}
print(sorted(slow & set(sys.modules)))
"""
    checked = run(code, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.development")
    assert checked.stdout.splitlines()[-1] == "[]", checked.stderr


def test_a_key_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    refused = production(tmp_path, **(COMPLETE | {"SECRETS_KEYS": f"{KEY},not-a-key-at-all"}))
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1].startswith(
        "django.core.exceptions.ImproperlyConfigured: SECRETS_KEYS: number 2"
    )
    assert "not-a-key-at-all" not in refused.stderr


def test_development_makes_a_key_and_keeps_it_beside_a_named_one(tmp_path: Path) -> None:
    code = "from django.conf import settings; print(*settings.SECRETS_KEYS)"
    development = {"DJANGO_SETTINGS_MODULE": "opengpts.settings.development"}
    [made] = run(code, tmp_path, **development).stdout.split()
    assert run(code, tmp_path, SECRETS_KEYS=KEY, **development).stdout.split() == [KEY, made]
    [other] = run(code, tmp_path, SECRET_KEY="another", **development).stdout.split()
    assert other != made
