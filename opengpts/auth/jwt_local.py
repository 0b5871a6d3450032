"""`AUTH_TYPE=jwt_local`: tokens that are checked by a key of the settings."""

from base64 import b64decode
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings

from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.tokens import by_token, decode_signed


def by_local_token(credentials: Credentials) -> Identified:
    """Who a token of JWT_ISS is about. Raises as `by_token`."""
    return by_token(credentials, _decode, "jwt_local")


def _decode(token: str) -> dict[str, Any]:
    return decode_signed(token, _key(settings.JWT_ALG, settings.JWT_DECODE_KEY_B64), [settings.JWT_ALG])


@lru_cache(maxsize=4)
def _key(algorithm: str, encoded: str) -> Any:
    """The key, made ready once. That it is one was seen when the server started."""
    return jwt.get_algorithm_by_name(algorithm).prepare_key(b64decode(encoded))
