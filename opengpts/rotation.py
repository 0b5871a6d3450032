"""Encrypts by the first key of SECRETS_KEYS what was encrypted by others."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import Model

from opengpts.encryption import Undecryptable, renewed
from opengpts.fields import SecretsField

# Rows that are read at once.
BATCH = 200
# How often a row is tried that others change meanwhile.
_TRIES = 5


@dataclass
class Rotated:
    """What became of the rows of one table.

    `rows` counts them: `renewed`, `current` (left as they were), `changing` (others were quicker each time). `lost` has
    the ids of those with secrets that no key decrypts.
    """

    name: str
    rows: Counter[str] = field(default_factory=Counter)
    lost: list[Any] = field(default_factory=list)


def tables_with_secrets() -> Iterator[tuple[type[Model], str]]:
    """The models that keep secrets, each with the name of its column."""
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, SecretsField):
                yield model, column.name


def rotate(model: type[Model], column: str, into: Rotated) -> Iterator[int]:
    """Rotate the rows of a table and write down what became of them, yielding how many were looked at each time.

    Each row is a write of its own, which changes nothing where another process has changed its secrets meanwhile: the
    server may run. Stopped half-way it has done half, and does the rest when it is called again.
    """
    rows = model._default_manager.exclude(**{column: []}).order_by("pk")
    last = None
    while batch := list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", column)[:BATCH]):
        for pk, secrets in batch:
            into.rows[_rotate_row(model, column, pk, secrets, into)] += 1
        last = batch[-1][0]
        yield len(batch)


def _rotate_row(model: type[Model], column: str, pk: Any, secrets: list[dict[str, Any]], into: Rotated) -> str:
    row = model._default_manager.filter(pk=pk)
    for _ in range(_TRIES):
        renewed_secrets, lost = _renewed(secrets)
        if renewed_secrets == secrets or row.filter(**{column: secrets}).update(**{column: renewed_secrets}):
            if lost:
                into.lost.append(pk)
            return "current" if renewed_secrets == secrets else "renewed"
        found = row.values_list(column, flat=True).first()
        if found is None:
            return "gone"
        secrets = found
    return "changing"


def _renewed(secrets: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The secrets under the first key, and whether there is one that cannot be read, which stays as it is."""
    lost = False
    done = []
    for secret in secrets:
        try:
            done.append({**secret, "token": renewed(secret["token"])})
        except Undecryptable:
            lost = True
            done.append(secret)
    return done, lost
