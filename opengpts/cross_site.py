"""Requests that a page of another site has a browser make.

A browser says where a request comes from (`Origin`, or at least `Sec-Fetch-Site`); one that says neither is from no
page.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from opengpts.errors import Forbidden

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
FROM_ELSEWHERE = "Pages of other sites may not send this. Those that may are in CSRF_TRUSTED_ORIGINS."


def refuse_cross_site(request: HttpRequest) -> None:
    """Raises `Forbidden` where a page of another site has a browser make this request.

    For bodies that any page may have a browser send, with the user's cookies: forms. JSON it may not.
    """
    ours = f"{request.scheme}://{request.get_host()}"
    _refuse(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), {ours})


def refuse_cross_site_connection(scope: Mapping[str, Any]) -> None:
    """The same for an ASGI connection. A WebSocket is always one that any page may open, with the user's cookies."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    origin = headers.get(b"origin")
    # Which of the two the page was loaded by, only a proxy in front of this server may know.
    ours = {f"http://{host}", f"https://{host}"}
    _refuse(origin, headers.get(b"sec-fetch-site"), ours)


def _refuse(origin: str | None, site: str | None, ours: set[str]) -> None:
    if origin is None:
        if site not in (None, "none", "same-origin"):
            raise Forbidden(FROM_ELSEWHERE)
    elif origin not in ours and origin not in settings.CSRF_TRUSTED_ORIGINS:
        raise Forbidden(FROM_ELSEWHERE)
