"""Requests that a page of another site has a browser make.

A browser says where a request comes from (`Origin`, or at least `Sec-Fetch-Site`); one that says neither is from no
page.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie

from opengpts.errors import Forbidden

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
FROM_ELSEWHERE = (
    "Pages of other sites may not send this. Those that may are in CSRF_TRUSTED_ORIGINS and CORS_ALLOWED_ORIGINS."
)


def refuse_cross_site(request: HttpRequest) -> None:
    """Raises `Forbidden` where a page of another site has a browser make this request.

    For what any page may have a browser send with all that the browser sends of itself, a cookie or nothing: requests
    without a body, and forms.
    """
    ours = f"{request.scheme}://{request.get_host()}"
    allowed = {ours, *_allowed(with_cookie=_names_somebody(request.COOKIES))}
    _refuse(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), allowed)


def refuse_cross_site_connection(scope: Mapping[str, Any], *, by_token: bool = False) -> None:
    """The same for an ASGI connection. A WebSocket is always one that any page may open, with the user's cookies.

    `by_token`: who is asking was said by a token, which no browser sends of itself.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    origin = headers.get(b"origin")
    if by_token and "*" in settings.CORS_ALLOWED_ORIGINS:
        return
    with_cookie = not by_token and _names_somebody(parse_cookie(headers.get(b"cookie", "")))
    # Which of the two the page was loaded by, only a proxy in front of this server may know.
    allowed = {f"http://{host}", f"https://{host}", *_allowed(with_cookie=with_cookie)}
    _refuse(origin, headers.get(b"sec-fetch-site"), allowed)


def _allowed(*, with_cookie: bool) -> Iterable[str]:
    """Which other origins' pages may: those that may read the answers may also write.

    With a cookie they may do so only where CORS_ALLOW_CREDENTIALS says that they have the use of it: a browser that
    lets no page have an answer to its user's cookie still sends some requests with it.
    """
    cors = settings.CORS_ALLOWED_ORIGINS if settings.CORS_ALLOW_CREDENTIALS or not with_cookie else []
    return [*settings.CSRF_TRUSTED_ORIGINS, *(origin for origin in cors if origin != "*")]


def _names_somebody(cookies: Mapping[str, str]) -> bool:
    return bool(cookies.get(settings.AUTH_COOKIE) or cookies.get(settings.SESSION_COOKIE_NAME))


def _refuse(origin: str | None, site: str | None, allowed: Collection[str]) -> None:
    if origin is None:
        if site not in (None, "none", "same-origin"):
            raise Forbidden(FROM_ELSEWHERE)
    elif origin not in allowed:
        raise Forbidden(FROM_ELSEWHERE)
