"""Tokens as other servers sign them."""

import time
from base64 import b64encode
from typing import Any

import jwt

SECRET = "a-secret-that-signs-the-tokens-of-the-tests-and-is-long-enough-for-hs512-too"
ISSUER, AUDIENCE = "iss", "aud"
# The settings of a server that takes them.
JWT_LOCAL = {
    "AUTH_TYPE": "jwt_local",
    "JWT_ISS": ISSUER,
    "JWT_AUD": f"{AUDIENCE},another",
    "JWT_ALG": "HS256",
    "JWT_DECODE_KEY_B64": b64encode(SECRET.encode()).decode(),
}


def claims(subject: Any = "jwt-user", **changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    said = {"exp": int(time.time()) + 600, "iss": ISSUER, "aud": AUDIENCE, "sub": subject, **changes}
    return {name: value for name, value in said.items() if value is not None}


def signed(subject: Any = "jwt-user", *, key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A token about `subject`."""
    return jwt.encode(claims(subject, **changes), key, algorithm=algorithm)


def bearer(token: str) -> dict[str, str]:
    """The header that it is sent in."""
    return {"Authorization": f"Bearer {token}"}
