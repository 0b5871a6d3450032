"""What the settings of identity must be for the server to start."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# Names of this machine, to which plain HTTP is as safe as HTTPS.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Bytes that a secret for HS256 should have at least (RFC 7518, section 3.2).
LEAST_SECRET = 32


def refuse_unsafe_identity() -> None:
    """Raises `ImproperlyConfigured`, with the name of the setting, for what is missing, wrong, or weak."""
    {"cookie": _cookie, "jwt_local": _jwt_local, "jwt_oidc": _jwt_oidc, "local": _local}[settings.AUTH_TYPE]()


def _cookie() -> None:
    if not settings.DEBUG and not settings.TRUST_COOKIES:
        raise ImproperlyConfigured(
            "AUTH_TYPE=cookie believes whoever a client says it is. Set TRUST_COOKIES=true only where something in "
            "front of this server sets the cookie and lets no client choose it; or set another AUTH_TYPE."
        )


def _jwt_local() -> None:
    for name in ("JWT_ISS", "JWT_AUD", "JWT_ALG", "JWT_DECODE_KEY_B64"):
        _require(name)
    algorithm = _algorithm()
    try:
        decoded = b64decode(settings.JWT_DECODE_KEY_B64, validate=True)
        key = algorithm.prepare_key(decoded)
    except NotBase64 as exc:
        raise ImproperlyConfigured(f"JWT_DECODE_KEY_B64 is no base64: {exc}.") from exc
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise ImproperlyConfigured(f"JWT_DECODE_KEY_B64 is no key for JWT_ALG={settings.JWT_ALG}: {exc}") from exc
    if weakness := algorithm.check_key_length(key):
        raise ImproperlyConfigured(f"JWT_DECODE_KEY_B64 is too short: {weakness}")


def _algorithm() -> Any:
    name = settings.JWT_ALG
    possible = sorted(set(jwt.algorithms.get_default_algorithms()) - {"none"})
    if name not in possible:
        raise ImproperlyConfigured(f"JWT_ALG={name} is none of {', '.join(possible)}.")
    return jwt.get_algorithm_by_name(name)


def _jwt_oidc() -> None:
    for name in ("JWT_ISS", "JWT_AUD"):
        _require(name)
    url = urlsplit(settings.JWT_ISS)
    if not url.hostname or not (url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)):
        raise ImproperlyConfigured(f"JWT_ISS={settings.JWT_ISS} should be a URL that begins with https://.")
    if url.query or url.fragment:
        raise ImproperlyConfigured(f"JWT_ISS={settings.JWT_ISS} should have no query and no fragment.")


def _local() -> None:
    name = "TOKEN_SIGNING_KEY" if settings.TOKEN_SIGNING_KEY else "SECRET_KEY"
    if len(getattr(settings, name).encode()) < LEAST_SECRET:
        raise ImproperlyConfigured(f"{name} signs the tokens of AUTH_TYPE=local: give it {LEAST_SECRET} bytes or more.")


def _require(name: str) -> None:
    if not getattr(settings, name):
        raise ImproperlyConfigured(f"Set {name}: AUTH_TYPE={settings.AUTH_TYPE} does not start without it.")
