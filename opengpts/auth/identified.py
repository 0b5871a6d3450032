"""Who was found to be asking, and how."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings

from accounts.models import User
from accounts.scopes import Scope
from accounts.services import create_api_user
from opengpts.errors import Unauthenticated

MAX_USER_ID = 255

# The first four are what AUTH_TYPE may be; the others go with each of them.
Way = Literal["cookie", "jwt_local", "jwt_oidc", "local", "session", "api_key"]


@dataclass(frozen=True, slots=True)
class Identified:
    """A user, and how they were identified."""

    user: User
    by: Way
    # What an API key may be used for. None: everything, as people may.
    scopes: frozenset[Scope] | None = None
    # When that proof is over, where it says so.
    expires_at: datetime | None = None

    @property
    def ambient(self) -> bool:
        """Whether a browser says so of itself, for pages of other sites too: by a cookie, or by nothing."""
        return self.by in ("session", "cookie")


def user_named(username: str, *, what: str) -> User:
    """The user that somebody else says is asking; made when first seen. `what` is where the name stands.

    Raises `Unauthenticated` for a name that cannot be one, for a user who was shut out, and for staff and whoever has a
    password: nobody becomes them by a name.
    """
    # Of a token, as RFC 6750 says; another would do. A cookie is none.
    refused = settings.AUTH_TYPE != "cookie"
    if not username:
        raise Unauthenticated(f"{what} is empty.", refused=refused)
    if len(username) > MAX_USER_ID:
        raise Unauthenticated(f"{what} is longer than {MAX_USER_ID} characters.", refused=refused)
    if not username.isprintable():
        raise Unauthenticated(f"{what} has characters that cannot be printed.", refused=refused)
    user = User.objects.filter(username=username).first() or create_api_user(username=username)
    if not user.is_active or not user.is_api_identity:
        how = "a token of another server" if refused else "the development cookie"
        raise Unauthenticated(f"This user cannot be used through {how}.", refused=refused)
    return user
