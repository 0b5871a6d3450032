"""One machine, one user who trusts every client: what `make run` starts."""

from opengpts.settings.base import *  # noqa: F403
from opengpts.settings.base import AUTH_TYPE, DATA_DIR
from opengpts.settings.encryption import SECRETS_KEYS, key_from
from opengpts.settings.environment import env

# For those who change the code: with it on, every query is slower and is kept in memory.
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="development-only-secret-key-that-signs-nothing-of-worth")
# Without a key that is named, one made of this; it goes on decrypting when one is.
SECRETS_KEYS = [*SECRETS_KEYS, key_from(SECRET_KEY)]
# By these names only, or a page of the web could reach the server under a name of its own (DNS rebinding).
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Whoever can reach this machine is its user. Without the cookie they are all the same one.
TRUST_COOKIES = env.bool("TRUST_COOKIES", default=True)
AUTH_DEFAULT_USER = "static-default-user-id" if AUTH_TYPE == "cookie" else None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
