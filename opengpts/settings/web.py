"""What browsers are told: what our pages may load, which other sites' pages may ask, how long a login lasts."""

import re

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from opengpts.settings.environment import env
from opengpts.settings.identity import AUTH_TYPE

# What our pages may do: load what this server has, and send forms to it. No inline script, style or handler, unless
# with the page's nonce. Answers that are no pages may do nothing at all (`opengpts.security_headers`).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# whitenoise would let pages of any site read static files.
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Seconds that a login lasts. Scripts cannot read the cookie, and requests that other sites cause do not carry it.
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=7 * 24 * 3600)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# Sites whose pages may ask the API from a browser: origins, or "*" for any. Whether with the cookies of this server,
# too; otherwise they need a token or a key.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_CREDENTIALS = env.bool("CORS_ALLOW_CREDENTIALS", default=False)
# A scheme, a host and perhaps a port, as browsers write it: in lower case, without a path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORT = re.compile(r"http://.*[^:]:80|https://.*[^:]:443")
for _origin in CORS_ALLOWED_ORIGINS:
    if _origin != "*" and (not _ORIGIN.fullmatch(_origin) or _DEFAULT_PORT.fullmatch(_origin)):
        raise ImproperlyConfigured(
            f"CORS_ALLOWED_ORIGINS: {_origin} is no origin. One is written https://app.example.org or "
            "http://localhost:5173, in lower case, without a path, a slash at the end, or the port that goes unsaid."
        )
if "*" in CORS_ALLOWED_ORIGINS:
    if len(CORS_ALLOWED_ORIGINS) > 1:
        raise ImproperlyConfigured("CORS_ALLOWED_ORIGINS: * is every origin. Name it alone, or name some.")
    if CORS_ALLOW_CREDENTIALS:
        raise ImproperlyConfigured(
            "CORS_ALLOWED_ORIGINS=* with CORS_ALLOW_CREDENTIALS would let the page of any site act as whoever looks at "
            "it. Name the origins that may."
        )
    if AUTH_TYPE == "cookie":
        raise ImproperlyConfigured(
            "CORS_ALLOWED_ORIGINS=* with AUTH_TYPE=cookie would let the page of any site be whoever it says it is. "
            "Name the origins that may."
        )
