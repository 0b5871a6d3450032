"""What users use, written down as they do: a row for each user and day.

Each entry is one statement in the caller's transaction, so it stands if and only if what it is for does. The row is
locked until that ends: entries of one user wait for each other, those of others do not. Whoever also locks a thread or
a run does so before.
"""

import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from agents.language_models.usage import Spending
from opengpts.errors import QuotaExceeded
from quotas.allowances import Allowance
from quotas.models import DECIMAL_PLACES, MAX_DIGITS, DailyUse

# Written out: there is one for every run, and the ORM knows no upsert that adds.
_TABLE = f'"{DailyUse._meta.db_table}"'
_INSERT = f"INSERT INTO {_TABLE} (user_id, day, runs, input_tokens, output_tokens, cost)"
_CHARGE_RUN = (
    f"{_INSERT} VALUES (%s, %s, 1, 0, 0, 0)"  # nosec B608  # names of ours; values are parameters
    f" ON CONFLICT (user_id, day) DO UPDATE SET runs = {_TABLE}.runs + 1{{where}} RETURNING runs"
)
_CHARGE_SPENDING = (
    f"{_INSERT} VALUES (%s, %s, 0, %s, %s, %s) ON CONFLICT (user_id, day) DO UPDATE SET"  # nosec B608  # names of ours; values are parameters
    f" input_tokens = {_TABLE}.input_tokens + EXCLUDED.input_tokens,"
    f" output_tokens = {_TABLE}.output_tokens + EXCLUDED.output_tokens, cost = {_TABLE}.cost + EXCLUDED.cost"
)
_USED = {
    "runs": f"{_TABLE}.runs",
    "tokens": f"{_TABLE}.input_tokens + {_TABLE}.output_tokens",
    "cost": f"{_TABLE}.cost",
}


def charge_run(*, user: User, allowance: Allowance) -> None:
    """Count a new run of `user`'s, whose `allowance` this is.

    Raises `QuotaExceeded` where today's runs, tokens or cost have come to what they may: what a run will use is known
    only afterwards, so the last one may go beyond. Of several at once no more are let in than there is room for.
    """
    day = timezone.now().date()
    limits = _limits(allowance)
    conditions = "".join(f" {'AND' if i else 'WHERE'} {_USED[name]} < %s" for i, name in enumerate(limits))
    bounds = [_money(limit) if isinstance(limit, Decimal) else limit for limit in limits.values()]
    # Of nothing there is no first one, which no condition is asked about.
    if all(limits.values()) and _carry_out(_CHARGE_RUN.format(where=conditions), [user.pk, _date(day), *bounds]):
        return
    raise _exceeded(use_on(user, day), limits)


def charge_spending(*, user_id: int, spent: Spending | None) -> None:
    """Count what an attempt at a run of theirs `spent`; None is nothing. It is counted on the day that it is told.

    What has no price costs nothing.
    """
    if spent is not None:
        cost = _money(spent.cost or Decimal(0))
        numbers = [spent.usage.input_tokens, spent.usage.output_tokens, cost]
        _carry_out(_CHARGE_SPENDING, [user_id, _date(timezone.now().date()), *numbers])


def use_on(user: User, day: datetime.date) -> DailyUse:
    """What `user` used on that day: a row that is not stored where that is nothing."""
    return DailyUse.objects.filter(user=user, day=day).first() or DailyUse(user=user, day=day)


def next_day(day: datetime.date) -> datetime.datetime:
    """When what is counted for a day is counted anew."""
    return datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), datetime.UTC)


def _limits(allowance: Allowance) -> dict[str, int | Decimal]:
    limits = {
        "runs": allowance.runs_per_day,
        "tokens": allowance.tokens_per_day,
        "cost": allowance.cost_per_day,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def _exceeded(use: DailyUse, limits: dict[str, int | Decimal]) -> QuotaExceeded:
    used: dict[str, int | Decimal] = {"runs": use.runs, "tokens": use.tokens, "cost": use.cost}
    # What was used does not become less; where none has been reached that is to be told, the first is near enough.
    name = next((name for name, limit in limits.items() if used[name] >= limit), next(iter(limits)))
    reset = next_day(use.day)
    message = (
        f"Your quota of {name} for today is used up: {_shown(used[name])} of {_shown(limits[name])}."
        f" It begins anew at {reset:%Y-%m-%dT%H:%M:%SZ}."
    )
    return QuotaExceeded(message, retry_after=int((reset - timezone.now()).total_seconds()) + 1)


def _shown(amount: int | Decimal) -> str:
    return f"${amount.normalize():f}" if isinstance(amount, Decimal) else f"{amount:,}"


def _carry_out(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def _date(day: datetime.date) -> Any:
    return connection.ops.adapt_datefield_value(day)


def _money(amount: Decimal) -> Any:
    return connection.ops.adapt_decimalfield_value(amount, MAX_DIGITS, DECIMAL_PLACES)
