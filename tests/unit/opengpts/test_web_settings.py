"""What the settings of the web refuse, and what `check --deploy` says of them: each read by a process of its own."""

from pathlib import Path

import pytest

from tests.unit.opengpts.test_settings import COMPLETE, production, run

pytestmark = pytest.mark.once

SAFE = {
    **COMPLETE,
    "HSTS_INCLUDE_SUBDOMAINS": "true",
    "HSTS_PRELOAD": "true",
    "SECRET_KEY": "".join(chr(ord("0") + i % 70) for i in range(60)),
}
CHECK = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check", "--deploy", "--fail-level", "WARNING"])
"""


@pytest.mark.parametrize(
    "origins",
    [
        "app.example",
        "https://app.example/",
        "https://app.example/path",
        "https://App.example",
        "https://user@app.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://*.example",
        "https://app.example:port",
        "https://",
        "null",
        "https://a.example https://b.example",
        "https://good.example,//bad.example",
    ],
)
def test_what_is_no_origin_is_refused(tmp_path: Path, origins: str) -> None:
    refused = production(tmp_path, **COMPLETE, CORS_ALLOWED_ORIGINS=origins)
    assert refused.returncode != 0
    wrong = origins.split(",")[-1]
    assert f"CORS_ALLOWED_ORIGINS: {wrong} is no origin." in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CORS_ALLOWED_ORIGINS": "*", "CORS_ALLOW_CREDENTIALS": "true"}, "act as whoever looks at it"),
        ({"CORS_ALLOWED_ORIGINS": "*"}, "be whoever it says it is"),
        ({"CORS_ALLOWED_ORIGINS": "*,https://a.example"}, "* is every origin"),
    ],
)
def test_every_origin_is_refused_where_it_is_unsafe(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    refused = production(tmp_path, **COMPLETE, **settings)
    assert refused.returncode != 0
    assert said in refused.stderr.splitlines()[-1]


def test_origins_as_people_write_them(tmp_path: Path) -> None:
    origins = "https://app.example, http://localhost:5173,http://[::1]:3000,tauri://localhost,chrome-extension://abc"
    code = "from django.conf import settings as s; print(s.CORS_ALLOWED_ORIGINS, s.CORS_ALLOW_CREDENTIALS)"
    settings = {**COMPLETE, "CORS_ALLOWED_ORIGINS": origins, "CORS_ALLOW_CREDENTIALS": "true"}
    read = run(code, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **settings)
    assert read.stdout.strip() == f"{[origin.strip() for origin in origins.split(',')]} True", read.stderr


def deploy_check(tmp_path: Path, **settings: str) -> str:
    """What is wrong with the production settings and these; nothing where nothing is."""
    checked = run(CHECK, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **{**SAFE, **settings})
    assert (checked.returncode == 0) == ("no issues" in checked.stdout), checked.stderr
    return checked.stderr


def test_the_documented_settings_are_safe(tmp_path: Path) -> None:
    assert deploy_check(tmp_path) == ""
    safe = {"CORS_ALLOWED_ORIGINS": "https://app.example,http://localhost:5173", "CORS_ALLOW_CREDENTIALS": "true"}
    assert deploy_check(tmp_path, **safe, OUTGOING_ALLOW="10.0.0.0/8,mcp.corp.example,localhost:8080") == ""


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"SESSION_SECONDS": "9999999999"}, "opengpts.W002"),
        ({"THROTTLE_LOGIN": ""}, "opengpts.W003"),
        ({"CORS_ALLOWED_ORIGINS": "http://app.example"}, "opengpts.W005"),
        ({"CSRF_TRUSTED_ORIGINS": "http://app.example"}, "opengpts.W005"),
        ({"LOG_LEVEL": "DEBUG"}, "opengpts.W006"),
        ({"OUTGOING_ALLOW": "0.0.0.0/0"}, "opengpts.W007"),
        ({"OUTGOING_ALLOW": "::/0"}, "opengpts.W007"),
        ({"OUTGOING_ALLOW": "169.254.0.0/16"}, "opengpts.W007"),
        # Django's own.
        ({"SSL_REDIRECT": "false"}, "security.W008"),
        ({"HSTS_SECONDS": "0"}, "security.W004"),
        ({"SECRET_KEY": "short"}, "security.W009"),
    ],
    ids=str,
)
def test_what_is_unsafe_is_told(tmp_path: Path, settings: dict[str, str], found: str) -> None:
    assert found in deploy_check(tmp_path, **settings)


def test_development_is_not_for_a_network(tmp_path: Path) -> None:
    checked = run(CHECK, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.development", DEBUG="true")
    assert checked.returncode != 0
    for found in ("opengpts.W001", "security.W018", "security.W008", "security.W012", "security.W016"):
        assert found in checked.stderr
