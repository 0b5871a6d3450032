"""How many bytes users have stored: what each app has of theirs, together.

Which those are is told by the apps themselves, when they start: this one comes before them. What was measured is kept
for a moment, and what is let in is added to it, so that not every request measures again; nobody is refused but by a
new measurement.
"""

import threading
import time
from collections.abc import Callable

from accounts.models import User
from opengpts.errors import QuotaExceeded
from quotas.allowances import Allowance

# Seconds that a measurement counts, and how many are kept.
KEPT = 10.0
MOST = 10_000

# The bytes that a user, by their id, has of one kind.
Measure = Callable[[int], int]

_measures: list[Measure] = []
_lock = threading.Lock()
# By user: when that was measured, and the bytes.
_known: dict[int, tuple[float, int]] = {}


def count_as_storage(measure: Measure) -> None:
    """From now on, count what this measures. For the start of an app."""
    if measure not in _measures:
        _measures.append(measure)


def storage_used(user_id: int) -> int:
    """The bytes that a user has stored."""
    return sum(measure(user_id) for measure in _measures)


def check_storage(*, user: User, allowance: Allowance, adding: int) -> None:
    """Whether `user`, whose `allowance` this is, may store `adding` more bytes. 0 stands for a number not known yet.

    Raises `QuotaExceeded`. Requests at the same moment in several processes may all find room for the last.
    """
    limit = allowance.storage_bytes
    if limit is None:
        return
    now, needed = time.monotonic(), max(adding, 1)
    with _lock:
        measured_at, used = _known.get(user.pk, (0.0, 0))
        if user.pk in _known and now - measured_at < KEPT and used + needed <= limit:
            _known[user.pk] = measured_at, used + needed
            return
    used = storage_used(user.pk)
    refused = used + needed > limit
    with _lock:
        if len(_known) >= MOST:
            _known.clear()
        _known[user.pk] = now, used if refused else used + needed
    if refused:
        more = f", and this needs {adding:,} more" if adding else ""
        raise QuotaExceeded(
            f"Your quota of storage is used up: {used:,} of {limit:,} bytes{more}. Delete documents or threads."
        )


def forget_measurements() -> None:
    """Measure anew."""
    with _lock:
        _known.clear()
