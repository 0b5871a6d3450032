"""Writing rows that clients name by ids of their own choosing."""

import uuid
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from opengpts.errors import NotFound

Row = TypeVar("Row", bound=Model)


def put_owned(mine: QuerySet[Row], pk: uuid.UUID, *, missing: str, **fields: Any) -> tuple[Row, bool]:
    """The row `pk`, one of `mine`: changed to `fields`, or made from them; and whether it was made.

    `fields` name the owner too.

    Raises `NotFound`, saying `missing`, where the id is another user's: nothing tells that from one that is not.
    """
    made = False
    if not mine.filter(pk=pk).update(**fields):
        try:
            with transaction.atomic():
                mine.model._default_manager.create(pk=pk, **fields)
            made = True
        except IntegrityError as exc:
            # Taken, by another user or by this one a moment ago.
            if not mine.filter(pk=pk).update(**fields):
                raise NotFound(missing) from exc
    row = mine.select_related("owner").filter(pk=pk).first()
    if row is None:  # deleted a moment ago
        raise NotFound(missing)
    return row, made
