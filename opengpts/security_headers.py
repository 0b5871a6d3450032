"""The headers that keep a browser from making more of an answer than it is: on every answer, whoever answers.

Django's middleware sets some of them on what passes it, and `csp` the policy of our pages. What is missing by then is
added here, the last thing that an answer passes on its way out, so that consumers, the gate, files and errors have them
as well. An answer that says something else of itself keeps it; none is said twice.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from opengpts.gate import is_secure

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# For what is no page: should a browser show it all the same, it loads nothing, runs nothing and sends nothing.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_UNUSED_FEATURES = (
    "accelerometer, browsing-topics, camera, display-capture, geolocation, gyroscope, hid, magnetometer, microphone, "
    "midi, payment, serial, usb, xr-spatial-tracking"
)
PERMISSIONS = ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES.split(", "))
_STARTS = ("http.response.start", "websocket.http.response.start")


class PagePolicy(CSPMiddleware):
    """django-csp for our pages only. Any other answer gets `NOTHING`, where all answers pass."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response


def with_security_headers(scope: MutableMapping[str, Any], send: Send) -> Send:
    """`send`, for the answer to one connection: it adds the headers that the answer has not."""
    defaults = _defaults(scope)

    async def send_hardened(message: MutableMapping[str, Any]) -> None:
        if message["type"] in _STARTS:
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            said = {name for name, _ in headers}
            if settings.DEBUG and message["status"] == 500:
                # Django's own page of the error, which is made of inline styles and scripts.
                said.add(b"content-security-policy")
            message = {**message, "headers": headers + [item for item in defaults if item[0] not in said]}
        await send(message)

    return send_hardened


def _defaults(scope: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    headers = {
        "content-security-policy": NOTHING,
        "cross-origin-opener-policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": PERMISSIONS,
        "referrer-policy": settings.SECURE_REFERRER_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": settings.X_FRAME_OPTIONS,
        # Answers are about one user. What may be kept says so itself: static files, and images.
        "cache-control": "no-store",
    }
    if settings.SECURE_HSTS_SECONDS and is_secure(scope):
        headers["strict-transport-security"] = _transport_security()
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _transport_security() -> str:
    """What Django's SecurityMiddleware says, too."""
    said = f"max-age={settings.SECURE_HSTS_SECONDS}"
    said += "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return said + ("; preload" if settings.SECURE_HSTS_PRELOAD else "")
