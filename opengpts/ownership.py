"""Writing rows that are somebody's: as many as they may have, and under ids of clients' choosing."""

import uuid
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from accounts.models import User
from opengpts.errors import Conflict, NotFound

Row = TypeVar("Row", bound=Model)


def refuse_beyond(most: int, mine: QuerySet[Row], *, owner: User) -> None:
    """Raises `Conflict` where `owner` has `most` rows already. To be called in the transaction that makes another."""
    # Or two requests at once could both find room for the last.
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    if mine.count() >= most:
        raise Conflict(f"A user may have {most} {mine.model._meta.verbose_name_plural}. Delete one, or change it.")


def put_owned(
    mine: QuerySet[Row], pk: uuid.UUID, *, owner: User, most: int, missing: str, **fields: Any
) -> tuple[Row, bool]:
    """The row `pk`, one of `mine`, which are `owner`'s: changed to `fields`, or made from them; and whether that.

    Raises `NotFound`, saying `missing`, where the id is another user's: nothing tells that from one that is not;
    `Conflict` where it would be one more than `most`.
    """
    made = False
    if not mine.filter(pk=pk).update(**fields):
        try:
            with transaction.atomic():
                refuse_beyond(most, mine, owner=owner)
                mine.model._default_manager.create(pk=pk, owner=owner, **fields)
            made = True
        except IntegrityError as exc:
            # Taken, by another user or by this one a moment ago.
            if not mine.filter(pk=pk).update(**fields):
                raise NotFound(missing) from exc
    row = mine.select_related("owner").filter(pk=pk).first()
    if row is None:  # deleted a moment ago
        raise NotFound(missing)
    return row, made
