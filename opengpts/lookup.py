"""Finding the row that a client names."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from opengpts.errors import NotFound

Row = TypeVar("Row", bound=Model)


# As the original reads them. `uuid.UUID` also reads underscores, blanks, and digits of any script.
_HEX = r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_UUID = re.compile(rf"{_HEX}|\{{{_HEX}\}}|urn:uuid:{_HEX}", re.ASCII | re.IGNORECASE)


def parse_id(text: str, *, what: str) -> uuid.UUID:
    """`text` as a UUID, with its dashes or without. Raises `NotFound`: no such `what` can exist."""
    if not _UUID.fullmatch(text):
        raise NotFound(f"{what} not found")
    return uuid.UUID(text)


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
