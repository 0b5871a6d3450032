"""Tokens, and the keys that make and read them."""

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet

from opengpts.encryption import Undecryptable, decrypt, encrypt, renewed

pytestmark = pytest.mark.once

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.mark.parametrize("value", ["text", "", "NUL \0 and \ud800 and ü", 7, ["a", {"b": None}]])
def test_there_and_back(value: Any) -> None:
    token = encrypt(value, bound_to="user 1")
    assert decrypt(token, bound_to="user 1") == value
    assert json.dumps(value)[1:-1] not in token or value in ("", 7)
    assert encrypt(value, bound_to="user 1") != token


def test_a_token_of_somebody_else() -> None:
    token = encrypt("text", bound_to="user 1")
    with pytest.raises(Undecryptable):
        decrypt(token, bound_to="user 12")


@pytest.mark.parametrize("token", ["", "text", "gAAAAA", "ü", None])
def test_what_is_no_token(token: Any) -> None:
    for read in (lambda: decrypt(token, bound_to="user 1"), lambda: renewed(token)):
        with pytest.raises(Undecryptable):
            read()


def test_what_another_program_encrypted_by_the_same_key(settings: Any) -> None:
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(Undecryptable):
        decrypt(Fernet(NEW).encrypt(b'"user 1"').decode(), bound_to="user 1")


def test_keys_are_changed(settings: Any) -> None:
    settings.SECRETS_KEYS = [OLD]
    old = encrypt("text", bound_to="user 1")
    settings.SECRETS_KEYS = [NEW, OLD]
    assert decrypt(old, bound_to="user 1") == "text"
    new = renewed(old)
    assert new != old
    assert renewed(new) == new
    settings.SECRETS_KEYS = [NEW]
    assert decrypt(new, bound_to="user 1") == "text"
    for read in (lambda: decrypt(old, bound_to="user 1"), lambda: renewed(old)):
        with pytest.raises(Undecryptable):
            read()
