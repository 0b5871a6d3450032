"""The keys that encrypt secrets in the database."""

import base64
import binascii
import hashlib

from django.core.exceptions import ImproperlyConfigured

from opengpts.settings.environment import env

# The first encrypts, all decrypt: see `docs/deployment.md` for how to change them.
SECRETS_KEYS: list[str] = env.list("SECRETS_KEYS", default=[])


def key_from(secret: str) -> str:
    """A key made of another secret, where none is named."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"opengpts SECRETS_KEYS\0" + secret.encode()).digest()).decode()


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


for _number, _key in enumerate(SECRETS_KEYS, start=1):
    if not _is_key(_key):
        # Without what it is: it may be a key that was cut.
        raise ImproperlyConfigured(
            f"SECRETS_KEYS: number {_number} is no key, which is 32 random bytes in URL-safe base64. To make one: "
            "openssl rand -base64 32 | tr +/ -_"
        )
