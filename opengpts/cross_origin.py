"""Pages of other sites that may ask the API from a browser (CORS): those in CORS_ALLOWED_ORIGINS.

Around every answer but those of the admin: views, streams, and the gate's refusals. What such a page may do is still
for `opengpts.auth` and `opengpts.cross_site` to say; this tells the browser what it may show the page.
"""

from typing import Any

from django.conf import settings
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Authorization", "Cache-Control", "Last-Event-ID", "X-Api-Key", "X-Requested-With")
# What a page may read beside the body.
RESPONSE_HEADERS = (
    "Allow",
    "Content-Location",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Total-Count",
)


class CrossOrigin(CORSMiddleware):
    """Starlette's, for answers whose header names have any case, and never for the admin."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == "/admin" or path.startswith("/admin/"):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def send(self, message: Message, send: Send, request_headers: Any) -> None:
        # Starlette finds `Vary` only as `vary`, and would set a second one.
        if message["type"] == "http.response.start":
            message = {**message, "headers": [(name.lower(), value) for name, value in message.get("headers", ())]}
        await super().send(message, send, request_headers)


def allow_other_origins(app: ASGIApp) -> ASGIApp:
    """`app`, open to the pages of CORS_ALLOWED_ORIGINS. By default there are none, and it is as it was."""
    if not settings.CORS_ALLOWED_ORIGINS:
        return app
    return CrossOrigin(
        app,
        allow_origins=settings.CORS_ALLOWED_ORIGINS,
        allow_credentials=settings.CORS_ALLOW_CREDENTIALS,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
    )
