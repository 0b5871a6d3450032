"""Finding the row that a client names."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from opengpts.errors import NotFound

Row = TypeVar("Row", bound=Model)


def parse_id(text: str, *, what: str) -> uuid.UUID:
    """`text` as a UUID, in any spelling that `uuid.UUID` reads. Raises `NotFound`: no such `what` can exist."""
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise NotFound(f"{what} not found") from exc


def find(rows: QuerySet[Row], text: str, *, what: str) -> Row:
    """The one of `rows` with the id `text`. Raises `NotFound` where there is none, or none that is theirs to see."""
    row = rows.filter(pk=parse_id(text, what=what)).first()
    if row is None:
        raise NotFound(f"{what} not found")
    return row


@contextmanager
def referring_to(what: str) -> Iterator[None]:
    """A transaction that writes a row which refers to one just found. Raises `NotFound` if that was deleted since."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as exc:
        raise NotFound(f"{what} not found") from exc
