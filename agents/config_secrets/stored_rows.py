"""Rows from before secrets were encrypted, for migrations.

They may hold whatever earlier versions let through, or today's catalogue does not know any more.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from agents.config_secrets.sealing import Sealed, reveal, seal_plain
from agents.tools.specs import Unreadable

_AT_ONCE = 500


def seal_rows(rows: QuerySet[Any]) -> None:
    """Encrypt the secrets of rows with a `config`, `secrets` and an `owner`. Doing it again changes nothing."""
    for pk, config, owner, _ in _each(rows.filter(secrets=[])):
        sealed = seal_plain(config, owner=owner)
        if sealed.secrets:
            rows.filter(pk=pk).update(config=sealed.config, secrets=sealed.secrets)


def reveal_rows(rows: QuerySet[Any]) -> None:
    """Have them as plain text in the configs again. What cannot be decrypted is lost, and stays `***`."""
    for pk, config, owner, secrets in _each(rows.exclude(secrets=[])):
        plain = reveal(Sealed(config, secrets), owner=owner)
        rows.filter(pk=pk).update(config=_without_unreadable(plain, config), secrets=[])


def _each(rows: QuerySet[Any]) -> Iterator[tuple[Any, Any, Any, Any]]:
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(keys), _AT_ONCE):
        yield from rows.filter(pk__in=keys[first : first + _AT_ONCE]).values_list("pk", "config", "owner_id", "secrets")


def _without_unreadable(plain: Any, masked: Any) -> Any:
    if plain is Unreadable.SECRET:
        return masked
    if isinstance(plain, dict):
        return {key: _without_unreadable(value, masked[key]) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_without_unreadable(value, masked[index]) for index, value in enumerate(plain)]
    return plain
