"""What a request brings to prove who sends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.http import parse_cookie
from rest_framework.request import Request

# How a browser gives a WebSocket its token, which has no header for it: the protocols `bearer` and then the token.
BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers and cookies that count. A header that came twice is one, as HTTP has it."""

    cookies: Mapping[str, str]
    authorization: str | None = None
    # What LangGraph's clients send.
    api_key: str | None = None

    @classmethod
    def of_request(cls, request: Request) -> Self:
        """Those of a request that Django answers."""
        return cls(request.COOKIES, request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_X_API_KEY"))

    @classmethod
    def of_scope(cls, scope: Mapping[str, Any]) -> Self:
        """Those of an ASGI connection."""
        found: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            separator = "; " if name == b"cookie" else ","
            text = value.decode("latin-1")
            found[name] = f"{found[name]}{separator}{text}" if name in found else text
        authorization = found.get(b"authorization") or _among(scope.get("subprotocols") or ())
        return cls(parse_cookie(found.get(b"cookie", "")), authorization, found.get(b"x-api-key"))

    @property
    def token(self) -> str | None:
        """The bearer token, where there is one."""
        scheme, _, token = (self.authorization or "").partition(" ")
        return token.strip() if scheme.lower() == BEARER and token.strip() else None


def _among(subprotocols: Sequence[str]) -> str | None:
    """What the protocols offered for a WebSocket say, as the header would."""
    if len(subprotocols) > 1 and subprotocols[0] == BEARER:
        return f"{BEARER} {subprotocols[1]}"
    return None
