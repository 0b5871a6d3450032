"""`AUTH_TYPE=jwt_local` and `jwt_oidc`: what tokens must say that others have signed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
from django.conf import settings

from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified, Way, user_named
from opengpts.auth.session import by_session
from opengpts.errors import NotIdentified, Unauthenticated

REQUIRED = ["exp", "iss", "aud", "sub"]
# Decodes a token and checks all that it says. Raises PyJWT's errors.
Decode = Callable[[str], dict[str, Any]]


def by_token(credentials: Credentials, decode: Decode, way: Way) -> Identified:
    """Who a bearer token is about (`sub`), or who has logged in to the admin.

    The statuses and texts are OpenGPTs': `NotIdentified` where there is no token, `Unauthenticated` for one that is not
    good, with what PyJWT says of it.
    """
    token = credentials.token
    if token is None:
        if not credentials.authorization and (found := by_session(credentials)) is not None:
            return found
        scheme = (credentials.authorization or "").strip().partition(" ")
        raise NotIdentified("Invalid authentication credentials" if scheme[0] and scheme[2] else "Not authenticated")
    try:
        claims = decode(token)
    except jwt.PyJWTError as exc:
        raise Unauthenticated(str(exc), refused=True) from exc
    user = user_named(claims["sub"], what="The token's subject")
    return Identified(user, way, expires_at=_time(claims["exp"]))


def decode_signed(token: str, key: Any, algorithms: list[str]) -> dict[str, Any]:
    """The claims of a token that `key` has signed, for us, by our issuer. Raises PyJWT's errors."""
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=algorithms,
        audience=settings.JWT_AUD,
        issuer=settings.JWT_ISS,
        options={"require": REQUIRED, "enforce_minimum_key_length": True},
    )
    return claims


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError):  # so far away that it is never
        return None
