"""`AUTH_TYPE=local`: users of this server, with the tokens that they get for their passwords under `/auth/token`."""

from accounts.logins import check_access
from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.session import by_session
from opengpts.errors import Unauthenticated


def by_login(credentials: Credentials) -> Identified:
    """Who has logged in and got this token, or has logged in to the admin. Raises `Unauthenticated`."""
    if credentials.token is not None:
        user, expires_at = check_access(token=credentials.token)
        return Identified(user, "local", expires_at=expires_at)
    if (found := by_session(credentials)) is not None:
        return found
    raise Unauthenticated("Log in first: POST /auth/token gives a token for a name and a password.")
