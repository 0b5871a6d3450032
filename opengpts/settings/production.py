"""On a network. Refuses to start without `SECRET_KEY`, `SECRETS_KEYS` and `ALLOWED_HOSTS`."""

from django.core.exceptions import ImproperlyConfigured

from opengpts.settings.base import *  # noqa: F403
from opengpts.settings.base import DATA_DIR
from opengpts.settings.encryption import SECRETS_KEYS
from opengpts.settings.environment import env

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
if not SECRET_KEY:
    raise ImproperlyConfigured("Set SECRET_KEY: production does not start without one.")
if not SECRETS_KEYS:
    # Not made of SECRET_KEY: whoever changes that would lose all secrets of assistants without being told.
    raise ImproperlyConfigured(
        "Set SECRETS_KEYS to a key that encrypts the secrets of assistants in the database, and keep it as safe as the "
        "database: without it they are lost. To make one: openssl rand -base64 32 | tr +/ -_"
    )
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("Set ALLOWED_HOSTS to the names this server answers to, separated by commas.")

# Filled by `manage.py collectstatic`.
STATIC_ROOT = DATA_DIR / "static"
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
STATIC_ROOT.mkdir(exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TRUST_FORWARDED_PROTO", default=False) else None
)
# Whoever watches the server asks it directly.
SECURE_REDIRECT_EXEMPT = [r"^ok/?$", r"^health/?$"]
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=False)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
