"""Requests that a page of another site has a browser make."""

from django.conf import settings
from django.http import HttpRequest

from opengpts.errors import Forbidden

FROM_ELSEWHERE = "Pages of other sites may not send this. Those that may are in CSRF_TRUSTED_ORIGINS."


def refuse_cross_site(request: HttpRequest) -> None:
    """Raises `Forbidden` where a page of another site has a browser make this request.

    For bodies that any page may have a browser send, with the user's cookies: forms. JSON it may not. A browser says
    where a request comes from (`Origin`, or at least `Sec-Fetch-Site`); a request that says neither is from no page.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Forbidden(FROM_ELSEWHERE)
        return
    ours = f"{request.scheme}://{request.get_host()}"
    if origin != ours and origin not in settings.CSRF_TRUSTED_ORIGINS:
        raise Forbidden(FROM_ELSEWHERE)
