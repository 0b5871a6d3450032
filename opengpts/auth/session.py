"""A login to the admin, which counts whatever AUTH_TYPE is."""

from importlib import import_module
from types import SimpleNamespace

from django.conf import settings
from django.contrib.auth import get_user

from accounts.models import User
from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified


def by_session(credentials: Credentials) -> Identified | None:
    """Who has logged in under the session that the cookie names. None where nobody has, or not any more."""
    key = credentials.cookies.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]  # it reads nothing else
    return Identified(user, "session") if isinstance(user, User) and user.is_active else None
