"""When a cron expression is due: in every time zone, through every change of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules.cron import MAX_LENGTH, Unschedulable, next_time, timezones

pytestmark = pytest.mark.once

MINUTE = timedelta(minutes=1)


def due(cron: str, after: str, *, timezone: str = "Europe/Berlin", count: int = 3) -> list[str]:
    """The next times, as clocks there show them. `after` is in UTC."""
    times = []
    time = datetime.fromisoformat(after).replace(tzinfo=UTC)
    for _ in range(count):
        time = next_time(cron=cron, timezone=timezone, after=time)
        assert time.tzinfo is UTC
        times.append(time.astimezone(ZoneInfo(timezone)).strftime("%d %b %H:%M %z"))
    return times


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["01 Jan 00:01 +0000", "01 Jan 00:02 +0000", "01 Jan 00:03 +0000"]),
        ("0 9 * * 1-5", ["01 Jan 09:00 +0000", "02 Jan 09:00 +0000", "05 Jan 09:00 +0000"]),
        (" 0  9 * *  MON,fri ", ["02 Jan 09:00 +0000", "05 Jan 09:00 +0000", "09 Jan 09:00 +0000"]),
        ("0 0 13 * 5", ["02 Jan 00:00 +0000", "09 Jan 00:00 +0000", "13 Jan 00:00 +0000"]),
        ("*/20 12 1 jan,feb *", ["01 Jan 12:00 +0000", "01 Jan 12:20 +0000", "01 Jan 12:40 +0000"]),
        ("0 0 L * *", ["31 Jan 00:00 +0000", "28 Feb 00:00 +0000", "31 Mar 00:00 +0000"]),
    ],
)
def test_what_is_due(cron: str, expected: list[str]) -> None:
    assert due(cron, "2026-01-01T00:00:59", timezone="UTC") == expected


def test_leap_days_come_within_the_years_that_are_looked_at() -> None:
    assert due("0 0 29 2 *", "2024-03-01T00:00", count=1) == ["29 Feb 00:00 +0100"]


def test_a_time_that_is_left_out_is_due_when_the_clock_has_jumped() -> None:
    expected = ["28 Mar 02:30 +0100", "29 Mar 03:00 +0200", "30 Mar 02:30 +0200"]
    assert due("30 2 * * *", "2026-03-27T12:00") == expected
    assert due("*/30 * * * *", "2026-03-29T00:15") == ["29 Mar 01:30 +0100", "29 Mar 03:00 +0200", "29 Mar 03:30 +0200"]


def test_a_time_that_comes_twice_is_due_once() -> None:
    assert due("30 2 * * *", "2026-10-24T12:00", count=2) == ["25 Oct 02:30 +0200", "26 Oct 02:30 +0100"]
    assert due("*/30 2,3 * * *", "2026-10-24T23:59") == [
        "25 Oct 02:00 +0200",
        "25 Oct 02:30 +0200",
        "25 Oct 03:00 +0100",
    ]


def test_every_hour_is_every_hour_when_clocks_are_put_back() -> None:
    expected = ["25 Oct 02:30 +0200", "25 Oct 02:30 +0100", "25 Oct 03:30 +0100"]
    assert due("30 * * * *", "2026-10-24T23:59") == expected


# A week of each in which clocks change, by an hour, half of one, or two; and one in which none does.
CHANGES = [
    ("Europe/Berlin", "2026-03-27"),
    ("Europe/Berlin", "2026-10-23"),
    ("Europe/Dublin", "2026-03-27"),
    ("Europe/Dublin", "2026-10-23"),
    ("America/New_York", "2026-03-06"),
    ("America/Havana", "2026-10-30"),
    ("America/Santiago", "2026-09-04"),
    ("Australia/Lord_Howe", "2026-04-03"),
    ("Australia/Lord_Howe", "2026-10-02"),
    ("Africa/Casablanca", "2026-02-13"),
    ("Antarctica/Troll", "2026-03-27"),
    ("Asia/Kolkata", "2026-03-27"),
]


def walk(minutes: set[int], hours: set[int] | None, zone: ZoneInfo, after: datetime) -> datetime:
    """The next time, found by asking of each minute in turn whether it is one. `hours` None is `*`."""
    seen = after.replace(second=0, microsecond=0)
    while True:
        before, seen = seen, seen + MINUTE
        first, last = (time.astimezone(zone).replace(tzinfo=None) for time in (before, seen))
        jumped = max((last - first) // MINUTE, 1)
        # What the clock shows now, and, where it has jumped, what it left out.
        shown = [last - count * MINUTE for count in range(1 if hours is None else jumped)]
        repeated = seen.astimezone(zone).fold == 1
        if hours is not None and repeated:
            continue
        if any(time.minute in minutes and (hours is None or time.hour in hours) for time in shown):
            return seen


@given(
    change=st.sampled_from(CHANGES),
    offset=st.integers(0, 4 * 24 * 3600),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    hours=st.none() | st.sets(st.integers(0, 23), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=200)
def test_it_is_as_watching_the_clock_would_find(
    change: tuple[str, str], offset: int, minutes: set[int], hours: set[int] | None
) -> None:
    timezone, day = change
    after = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=offset)
    hour = "*" if hours is None else ",".join(map(str, sorted(hours)))
    cron = f"{','.join(map(str, sorted(minutes)))} {hour} * * *"
    assert next_time(cron=cron, timezone=timezone, after=after) == walk(minutes, hours, ZoneInfo(timezone), after)


@given(cron=st.lists(st.text("0123456789*,-/#?lLwhHrRjanmonfri", max_size=6), min_size=5, max_size=5).map(" ".join))
@settings(deadline=None, max_examples=300)
def test_whatever_is_asked_is_answered_or_refused(cron: str) -> None:
    after = datetime(2026, 10, 24, 12, 30, 30, tzinfo=UTC)
    try:
        found = next_time(cron=cron, timezone="Europe/Berlin", after=after)
    except Unschedulable as exc:
        blamed = exc.field
    else:
        blamed = "cron" if found > after else f"found {found}"
    assert blamed == "cron"


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "five fields (minute, hour, day of the month, month, day of the week)"),
        ("@daily", "five fields"),
        ("0 9 * *", "five fields"),
        ("0 0 9 * * *", "five fields"),
        ("0\t9 * * *", "five fields"),
        ("0\u00a09 * * *", "five fields"),
        ("0\x00 9 * * *", "five fields"),
        ("\uff11 9 * * *", "five fields"),
        ("0," * MAX_LENGTH + "0 9 * * *", "five fields"),
        ("60 9 * * *", "60 is nothing that the minute of"),
        ("0 24 * * *", "24 is nothing that the hour of"),
        ("0 9 0 * *", "0 is nothing that the day of the month of"),
        ("0 9 * never *", "never is nothing that the month of"),
        ("0 9 * * 8", "8 is nothing that the day of the week of"),
        ("*/0 * * * *", "*/0 is nothing that the minute of"),
        ("H 9 * * *", "H is nothing that the minute of"),
        ("0 r(1-5) * * *", "r(1-5) is nothing that the hour of"),
        ("0 0 30 2 *", "at no time in the next 5 years"),
    ],
)
def test_what_is_no_cron_expression_is_refused(cron: str, said: str) -> None:
    with pytest.raises(Unschedulable) as refused:
        next_time(cron=cron, timezone="UTC", after=datetime.now(UTC))
    assert refused.value.field == "cron"
    assert said in refused.value.message


@pytest.mark.parametrize(
    "timezone", ["", "Berlin", "Europe", "../../../etc/passwd", "/etc/localtime", "UTC\x00", "+02:00"]
)
def test_what_is_no_time_zone_is_refused(timezone: str) -> None:
    with pytest.raises(Unschedulable, match="name of a time zone") as refused:
        next_time(cron="* * * * *", timezone=timezone, after=datetime.now(UTC))
    assert refused.value.field == "timezone"


def test_every_time_zone_is_kept() -> None:
    after = datetime.now(UTC)
    assert len(timezones()) > 400
    for timezone in timezones():
        assert next_time(cron="0 9 * * *", timezone=timezone, after=after) - after < timedelta(days=2)
