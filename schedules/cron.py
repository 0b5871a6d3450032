"""Cron expressions: what is one, and when it is next due in a time zone.

Five fields: minute, hour, day of the month, month, day of the week. Where clocks are put forward, a time that is left
out is due when the clock has jumped over it. Where they are put back, a time that comes twice is due the first time;
an expression whose hour is a `*` goes on as the hours pass, through both.
"""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterError, croniter

FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
MAX_LENGTH = 100  # characters
# What is due less often, such as the 30th of February, is taken for a mistake.
MAX_YEARS = 5
_HOUR = 1


class Unschedulable(ValueError):
    """There is no next time. `field` says what is to blame, "cron" or "timezone"; `message` is for people."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@cache
def timezones() -> frozenset[str]:
    """The names of all time zones, such as Europe/Berlin."""
    return frozenset(available_timezones())


def next_time(*, cron: str, timezone: str, after: datetime) -> datetime:
    """The first time later than `after` that `cron` is due where `timezone` is kept; in UTC.

    Raises `Unschedulable` for what is no cron expression or no time zone, and where the next MAX_YEARS years have none.
    """
    if timezone not in timezones():
        raise Unschedulable("timezone", "This should be the name of a time zone, such as UTC or Europe/Berlin.")
    fields = _fields(cron)
    times = croniter(cron, after.astimezone(ZoneInfo(timezone)), datetime, max_years_between_matches=MAX_YEARS)
    try:
        due = times.get_next()
        while _is_repeated(due) and "*" not in fields[_HOUR]:
            due = times.get_next()
    except CroniterError as exc:
        raise Unschedulable("cron", f"This is due at no time in the next {MAX_YEARS} years.") from exc
    return due.astimezone(UTC)


def _fields(cron: str) -> list[str]:
    """The five fields. Raises `Unschedulable`."""
    # Not what Python takes for white space beside: to cron it is none.
    fields = cron.split(" ") if cron.isascii() and cron.isprintable() else []
    fields = [field for field in fields if field]
    if len(cron) > MAX_LENGTH or len(fields) != len(FIELDS):
        raise Unschedulable("cron", f"This should be five fields ({', '.join(FIELDS)}), such as 0 9 * * 1-5.")
    for position, (name, field) in enumerate(zip(FIELDS, fields, strict=True)):
        alone = ["*"] * position + [field] + ["*"] * (len(FIELDS) - position - 1)
        if not _is_valid(alone):
            raise Unschedulable("cron", f"{field} is nothing that the {name} of a cron expression can be.")
    if not _is_valid(fields):
        raise Unschedulable("cron", "These five fields do not go together.")
    return fields


def _is_valid(fields: list[str]) -> bool:
    # The parser takes words that stand for a random or hashed number, which would be another one each time.
    if any(field[0] in "hHrR" for field in fields):
        return False
    try:
        croniter.expand(" ".join(fields))
    except CroniterError:
        return False
    return True


def _is_repeated(time: datetime) -> bool:
    """Whether clocks have shown this time before, on the same day."""
    return time.fold == 1 and time.utcoffset() != time.replace(fold=0).utcoffset()
