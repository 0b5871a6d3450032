"""`AUTH_TYPE=jwt_oidc`: tokens of an OpenID Connect issuer, checked by the keys that it publishes."""

from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings

from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.issuer import Issuer
from opengpts.auth.tokens import by_token, decode_signed


def by_issuers_token(credentials: Credentials) -> Identified:
    """Who a token of the issuer JWT_ISS is about.

    Raises as `by_token`, and `IdentityUnavailable` where its keys are not known and cannot be asked for.
    """
    return by_token(credentials, _decode, "jwt_oidc")


@lru_cache(maxsize=4)
def issuer(url: str) -> Issuer:
    """The issuer of that URL: one for all threads of the process, with what is known of its keys."""
    return Issuer(url)


def _decode(token: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    key = issuer(settings.JWT_ISS).key_for(header)
    # The key says which algorithm it is for; PyJWT holds the token to that.
    return decode_signed(token, key, [key.algorithm_name])
