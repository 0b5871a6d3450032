"""`AUTH_TYPE=cookie`: whoever the cookie names is believed. For development."""

from django.conf import settings

from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified, user_named
from opengpts.auth.session import by_session
from opengpts.errors import Unauthenticated


def by_cookie(credentials: Credentials) -> Identified:
    """Who the cookie names; else who has logged in to the admin; else AUTH_DEFAULT_USER.

    Raises `Unauthenticated` as `user_named`, and where nothing says who it is. A development server, where everybody is
    somebody, knows no tokens of others and overlooks them.
    """
    if credentials.token is not None and settings.AUTH_DEFAULT_USER is None:
        raise Unauthenticated("This token is not valid, or no longer.", refused=True)
    what = f"The cookie {settings.AUTH_COOKIE}"
    username = credentials.cookies.get(settings.AUTH_COOKIE)
    if not username and (found := by_session(credentials)) is not None:
        return found
    username = username or settings.AUTH_DEFAULT_USER
    if username is None:
        raise Unauthenticated(f"{what} is missing.")
    return Identified(user_named(username, what=what), "cookie")
