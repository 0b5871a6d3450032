"""How often may be asked: by a user, from an address, for a login. REST, streams and WebSockets count together.

Requests are counted in windows of time that begin at whole minutes (or what the rate is per), in Django's cache, which
is Redis for all processes where `REDIS_URL` is set. DRF's own throttles keep a list of times instead, which they read
and write back: processes that do so at once forget each other's requests, and with thousands a minute the list is long.
A counter is exact and small; at the border of two windows it lets through up to twice the rate.

While Redis is away nobody is refused: it is better to serve too much than nothing.
"""

import hashlib
import json
import logging
import time
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, QueryDict
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import User
from opengpts.auth import PEOPLE, Need, identify_scope
from opengpts.client_address import address_of_request, address_of_scope
from opengpts.cross_site import SAFE_METHODS
from opengpts.errors import NotIdentified, RateLimited, Unauthenticated
from opengpts.outage import Outage
from opengpts.settings.environment import Rate

logger = logging.getLogger(__name__)

# Seconds for which a cache that did not answer is not asked again: each try may take its timeout.
PAUSE = 5.0

LOGIN, UPLOADS = "login", "uploads"

_outage = Outage(
    logger,
    begun="Requests cannot be counted, and nobody is asked to wait",
    over="Requests are counted again",
)
_paused_until = 0.0


class Throttle(BaseThrottle):
    """Counts each request of the API's views, by its user or else by its address.

    Views with `throttle_scope = "login"` count by address and by the user name in the body, at the rate of logins;
    those with `"uploads"` count what is sent to them as an upload, too.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        """True. Raises `RateLimited`, which says more than False."""
        scope = getattr(view, "throttle_scope", None)
        user = request.user
        if scope == LOGIN:
            throttle_login(request._request, name=_name_in(request._request))
        elif isinstance(user, User):
            throttle_user(user)
            if scope == UPLOADS and request.method not in SAFE_METHODS:
                throttle_upload(user)
        else:
            throttle_address(address_of_request(request._request))
        return True


def admit(scope: Mapping[str, Any], *, needs: Need = PEOPLE) -> User:
    """Who opens an ASGI connection, which is counted. As `identify_scope`, and raises `RateLimited`."""
    try:
        user = identify_scope(scope, needs=needs)
    except (Unauthenticated, NotIdentified):
        throttle_address(address_of_scope(scope))
        raise
    throttle_user(user)
    return user


def throttle_user(user: User) -> None:
    """Count a request of `user`'s. Raises `RateLimited`."""
    _count("user", str(user.pk), settings.THROTTLE_USER, "THROTTLE_USER")


def throttle_upload(user: User) -> None:
    """Count an upload of `user`'s. Raises `RateLimited`."""
    _count(UPLOADS, str(user.pk), settings.THROTTLE_UPLOADS, "THROTTLE_UPLOADS")


def throttle_address(address: str) -> None:
    """Count a request of nobody that is known. Raises `RateLimited`."""
    _count("address", address, settings.THROTTLE_ANONYMOUS, "THROTTLE_ANONYMOUS")


def throttle_login(request: HttpRequest, *, name: str | None) -> None:
    """Count a try to log in, as the user of that `name` where there is one. Raises `RateLimited`."""
    _count("login-from", address_of_request(request), settings.THROTTLE_LOGIN, "THROTTLE_LOGIN")
    if name:
        # However it is written: none of these may be tried more often for that.
        plain = unicodedata.normalize("NFKC", name).casefold()
        _count("login-as", plain, settings.THROTTLE_LOGIN, "THROTTLE_LOGIN")


def _name_in(request: HttpRequest) -> str | None:
    """The user name in a request's body, JSON or a form; None where there is none, or no body that can be read."""
    try:
        if request.META.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            return QueryDict(request.body).get("username")
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    name = body.get("username") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


def _count(kind: str, whom: str, rate: Rate | None, setting: str) -> None:
    if rate is None:
        return
    now = time.time()
    window, into = divmod(now, rate.seconds)
    if _increase(f"throttle:{kind}:{_digest(whom)}:{int(window)}", 2 * rate.seconds) > rate.requests:
        wait = int(rate.seconds - into) + 1
        per = "second" if rate.seconds == 1 else f"{rate.seconds} seconds"
        raise RateLimited(
            f"Too many requests: more than {rate.requests} in {per} ({setting}). Try again in {wait} s.",
            retry_after=wait,
        )


def _digest(whom: str) -> str:
    """Any text as one of the characters and the length that a key may have."""
    return hashlib.sha256(whom.encode(errors="surrogatepass")).hexdigest()[:32]


def _increase(key: str, kept: int) -> int:
    """Count one more under a key, which is kept so many seconds; how many there are now. 0 where nobody counts."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return 0
    try:
        count = _increased(key, kept)
    except (RedisError, OSError) as exc:
        _paused_until = time.monotonic() + PAUSE
        _outage.met(exc)
        return 0
    _outage.over()
    return count


def _increased(key: str, kept: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # the first in this window
        return 1 if cache.add(key, 1, kept) else cache.incr(key)
