"""Where logins of the admin are kept: Django's own, in the database."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    """Looks no key up that it cannot have given. A cookie may hold NUL, which PostgreSQL takes in no text."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and key.isascii() and key.isalnum() and len(key) >= 8)
