"""How many streams and WebSockets each user has open at this process.

Per process, because each is a connection to it and costs it memory: a user has as many times more as there are
processes. Counted before anything is done for the connection.
"""

import threading
from collections import Counter

from django.conf import settings

from accounts.models import User
from opengpts.errors import RateLimited

# Seconds after which a client that has too many open may try again.
RETRY_AFTER = 10

_lock = threading.Lock()
_open: Counter[int] = Counter()


class Place:
    """One connection's place among those of its user. Any thread may take it, or give it back."""

    def __init__(self) -> None:
        self._user_id: int | None = None
        self._over = False

    def take(self, user: User) -> None:
        """Be one of `user`'s. Raises `RateLimited` where they have STREAMS_PER_USER. Once it is given back, nothing."""
        with _lock:
            if self._over or self._user_id is not None:
                return
            if _open.get(user.pk, 0) >= settings.STREAMS_PER_USER:
                raise RateLimited(
                    f"You have {settings.STREAMS_PER_USER} streams and WebSockets open, as many as may be. Close some.",
                    retry_after=RETRY_AFTER,
                )
            _open[user.pk] += 1
            self._user_id = user.pk

    def give_back(self) -> None:
        """The connection is over, also where nobody has come to take its place yet."""
        with _lock:
            self._over = True
            if self._user_id is not None:
                _open[self._user_id] -= 1
                if not _open[self._user_id]:
                    del _open[self._user_id]
                self._user_id = None


def open_streams_of(user: User) -> int:
    """How many `user` has open here."""
    with _lock:
        return _open.get(user.pk, 0)
