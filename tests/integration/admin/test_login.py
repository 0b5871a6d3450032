"""Logging in to the admin: how often a password may be guessed, and which are taken."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import Settings

from opengpts.login_limit import TOO_MANY

pytestmark = pytest.mark.django_db

PASSWORD = "a heron by the water"


@pytest.fixture(autouse=True)
def limits(settings: Settings, django_user_model: Any) -> None:
    settings.LOGIN_ATTEMPTS, settings.LOGIN_ATTEMPTS_PER_ADDRESS = 3, 8
    for name in ("root", "other"):
        django_user_model.objects.create_superuser(name, password=PASSWORD)
    cache.clear()


def log_in(name: str = "root", password: str = "wrong", address: str = "192.0.2.1") -> str:
    """ "in", "wrong" or "stopped"."""
    form = {"username": name, "password": password}
    answer = Client().post("/admin/login/?next=/admin/", form, REMOTE_ADDR=address)
    if answer.status_code == 302:
        return "in"
    assert answer.status_code == 200
    return "stopped" if TOO_MANY in answer.content.decode() else "wrong"


def test_a_name_is_guessed_at_a_few_times() -> None:
    assert [log_in() for _ in range(3)] == ["wrong"] * 3
    # The right one would tell, too.
    assert [log_in(password=PASSWORD), log_in("ROOT", PASSWORD)] == ["stopped"] * 2
    # Whoever owns the name, elsewhere, is not kept out.
    assert log_in(password=PASSWORD, address="192.0.2.2") == "in"
    assert log_in("other", PASSWORD) == "in"


def test_an_address_guesses_at_a_few_names() -> None:
    assert [log_in(f"user{number}") for number in range(8)] == ["wrong"] * 8
    assert log_in("other", PASSWORD) == "stopped"
    assert log_in("other", PASSWORD, "192.0.2.2") == "in"


def test_logging_in_begins_anew_for_the_name_and_not_for_the_address() -> None:
    for _ in range(3):
        assert [log_in(), log_in(), log_in(password=PASSWORD)] == ["wrong", "wrong", "in"]
    assert [log_in(), log_in(), log_in()] == ["wrong", "wrong", "stopped"]


def test_logging_in_is_no_guess() -> None:
    assert [log_in(password=PASSWORD) for _ in range(20)] == ["in"] * 20


def test_what_is_no_name_is_wrong_like_any_other() -> None:
    for name in ("", "\x00", "x" * 10_000, "\u202e"):
        assert log_in(name) in ("wrong", "stopped")


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "heron@lake.example"])
def test_passwords_that_are_easy_to_guess(django_user_model: Any, password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, django_user_model(username="somebody", email="heron@lake.example"))


def test_the_cookies_of_a_login() -> None:
    client = Client()
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], session["max-age"]) == (True, "Lax", 7 * 24 * 3600)
    assert token["samesite"] == "Lax"
