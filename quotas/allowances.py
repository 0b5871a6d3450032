"""How much one user may use: what the rows about them, and the server's settings, come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from accounts.models import User
from quotas.models import Quota

_LIMITS = ("runs_per_day", "tokens_per_day", "cost_per_day", "storage_bytes")
# Written out: it is asked for every run, mostly of an empty table.
_ROWS = (
    f'SELECT user_id, unlimited, {", ".join(_LIMITS)} FROM "{Quota._meta.db_table}" WHERE user_id = %s OR group_id IN'  # nosec B608  # names of ours; values are parameters
    f' (SELECT group_id FROM "{User.groups.through._meta.db_table}" WHERE user_id = %s)'
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a user may use: on a day (UTC) runs, tokens, and cost in USD; and bytes that are stored. None: no limit."""

    runs_per_day: int | None = None
    tokens_per_day: int | None = None
    cost_per_day: Decimal | None = None
    storage_bytes: int | None = None


def allowance_of(user: User) -> Allowance:
    """What `user` may use.

    Each limit is that of the user's own row; where that has none, the largest of their groups' rows; where these have
    none, the server's (QUOTA_RUNS_PER_DAY and so on). A row that is `unlimited` has every limit, and it is endless.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [user.pk, user.pk])
        rows = cursor.fetchall()
    own, groups = [row[1:] for row in rows if row[0] is not None], [row[1:] for row in rows if row[0] is None]
    runs, tokens, cost, storage = (
        _limit(number, own, groups, otherwise=getattr(settings, f"QUOTA_{name.upper()}"))
        for number, name in enumerate(_LIMITS, start=1)
    )
    # SQLite has decimals as floats.
    return Allowance(runs, tokens, None if cost is None else Decimal(str(cost)), storage)


def _limit(number: int, *tiers: Sequence[Sequence[Any]], otherwise: Any) -> Any:
    """The limit of this number among rows that begin with `unlimited`: of the first tier that has it."""
    for rows in tiers:
        if any(unlimited for unlimited, *_ in rows):
            return None
        given = [row[number] for row in rows if row[number] is not None]
        if given:
            return max(given)
    return otherwise
