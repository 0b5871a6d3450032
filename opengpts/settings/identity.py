"""How users say who they are. What cannot be is refused when the server starts: see `opengpts.identity_checks`."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from opengpts.settings.environment import env

# How API clients say who they are. "cookie" believes whatever the cookie says: for development. "jwt_local" and
# "jwt_oidc" take tokens that others sign, "local" those that users of this server get for their passwords.
AUTH_TYPE = env.str("AUTH_TYPE", default="cookie").lower()
if AUTH_TYPE not in ("cookie", "jwt_local", "jwt_oidc", "local"):
    raise ImproperlyConfigured(f"AUTH_TYPE={AUTH_TYPE} is none of cookie, jwt_local, jwt_oidc and local.")

AUTH_COOKIE = "opengpts_user_id"
# Whether the cookie is believed with DEBUG off.
TRUST_COOKIES = env.bool("TRUST_COOKIES", default=False)
# Who a request without the cookie is from. None: nobody.
AUTH_DEFAULT_USER: str | None = None

# Who signs the tokens of others, and whom they are for: one name or several.
JWT_ISS = env.str("JWT_ISS", default="")
JWT_AUD: list[str] = env.list("JWT_AUD", default=[])
# jwt_local: the algorithm, and the key in base64: the secret of HS256 and its like, a public key in PEM of the others.
JWT_ALG = env.str("JWT_ALG", default="")
JWT_DECODE_KEY_B64 = env.str("JWT_DECODE_KEY_B64", default="")
# jwt_oidc. Seconds: between two looks at the issuer's keys; at least between two looks, whatever tokens come; for which
# its keys count when it cannot be reached; and that it may take to answer.
JWT_KEYS_REFRESH = env.float("JWT_KEYS_REFRESH", default=3600.0)
JWT_KEYS_RETRY = env.float("JWT_KEYS_RETRY", default=30.0)
JWT_KEYS_MAX_AGE = env.float("JWT_KEYS_MAX_AGE", default=86400.0)
JWT_ISSUER_TIMEOUT = env.float("JWT_ISSUER_TIMEOUT", default=5.0)

# local: what signs tokens (empty: SECRET_KEY), and the seconds that they are good for.
TOKEN_SIGNING_KEY = env.str("TOKEN_SIGNING_KEY", default="")
ACCESS_TOKEN_SECONDS = env.int("ACCESS_TOKEN_SECONDS", default=15 * 60)
REFRESH_TOKEN_SECONDS = env.int("REFRESH_TOKEN_SECONDS", default=14 * 24 * 3600)
SIMPLE_JWT: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=ACCESS_TOKEN_SECONDS),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=REFRESH_TOKEN_SECONDS),
    "ALGORITHM": "HS256",
    # Without it simplejwt takes SECRET_KEY, which is not known here yet.
    **({"SIGNING_KEY": TOKEN_SIGNING_KEY} if TOKEN_SIGNING_KEY else {}),
}
