"""The one identity check, for views and for consumers."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from accounts.models import User
from opengpts.auth.api_key import by_api_key
from opengpts.auth.cookie import by_cookie
from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.jwt_local import by_local_token
from opengpts.auth.jwt_oidc import by_issuers_token
from opengpts.auth.local import by_login
from opengpts.auth.scopes import PEOPLE, Need, require
from opengpts.cross_site import SAFE_METHODS, refuse_cross_site_connection
from opengpts.errors import Unauthenticated

# Each looks for its own kind of proof, and for a login to the admin.
BY_AUTH_TYPE: dict[str, Callable[[Credentials], Identified]] = {
    "cookie": by_cookie,
    "jwt_local": by_local_token,
    "jwt_oidc": by_issuers_token,
    "local": by_login,
}


def identify(credentials: Credentials) -> Identified:
    """Who a request speaks for: the owner of an API key, or who AUTH_TYPE finds.

    Raises what is wrong with that, with the status and the headers of the answer: `Unauthenticated`, `NotIdentified`,
    `IdentityUnavailable`.
    """
    found = by_api_key(credentials)
    if found is not None:
        return found
    if credentials.api_key and not credentials.authorization and settings.AUTH_DEFAULT_USER is None:
        raise Unauthenticated("X-Api-Key is no API key of this server.", refused=True)
    return BY_AUTH_TYPE[settings.AUTH_TYPE](credentials)


def identify_scope(scope: Mapping[str, Any], *, needs: Need = PEOPLE) -> User:
    """`identify` for an ASGI connection, HTTP or WebSocket. `needs` is what it needs of an API key.

    Raises `Forbidden` for a key that lacks it, and for what another site's page sends.
    """
    identified = identify(Credentials.of_scope(scope))
    if scope["type"] == "websocket" or (identified.ambient and scope.get("method") not in SAFE_METHODS):
        refuse_cross_site_connection(scope, by_token=not identified.ambient)
    require(identified, needs)
    return identified.user


def check_still(user: User, scope: Mapping[str, Any], *, needs: Need = PEOPLE) -> None:
    """Whether a connection that was `user`'s when it was opened still is, and whether they may do what `needs` that.

    Raises `Unauthenticated` where its login, its token, its key or its user has come to an end since, and `Forbidden`
    as `identify_scope`.
    """
    if identify_scope(scope, needs=needs).pk != user.pk:
        raise Unauthenticated("This connection was opened by a user who is not logged in any more.")
