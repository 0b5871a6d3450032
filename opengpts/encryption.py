"""Encrypts what must not be read in the database, by the keys in SECRETS_KEYS.

The first key encrypts and all of them decrypt, so that keys can be changed while the server runs: see
`docs/deployment.md`. A token is bound to somebody: copied to another's row it decrypts to nothing.
"""

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables


class Undecryptable(Exception):
    """No key of this server decrypts the token, or it was bound to somebody else."""


@sensitive_variables()
def encrypt(value: Any, *, bound_to: str) -> str:
    """A token for the JSON `value`, which `decrypt` turns back into it for the same `bound_to`."""
    # Fernet has no associated data, so who it is for stands inside.
    return _keys()[0].encrypt(json.dumps([bound_to, value]).encode()).decode()


@sensitive_variables()
def decrypt(token: str, *, bound_to: str) -> Any:
    """The value that `token` was made of. Raises `Undecryptable`."""
    try:
        owner, value = json.loads(MultiFernet(_keys()).decrypt(token))
    except (InvalidToken, ValueError, TypeError) as exc:
        raise Undecryptable from exc
    if owner != bound_to:
        raise Undecryptable
    return value


def renewed(token: str) -> str:
    """`token` encrypted by the first key: the same text where it is already. Raises `Undecryptable`."""
    keys = _keys()
    try:
        keys[0].decrypt(token)
    except (InvalidToken, ValueError, TypeError):
        try:
            return MultiFernet(keys).rotate(token).decode()
        except (InvalidToken, ValueError, TypeError) as exc:
            raise Undecryptable from exc
    return token


def _keys() -> list[Fernet]:
    return _fernets(tuple(settings.SECRETS_KEYS))


@lru_cache(maxsize=8)
def _fernets(keys: tuple[str, ...]) -> list[Fernet]:
    return [Fernet(key) for key in keys]
