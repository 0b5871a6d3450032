"""Who is asking: the one identity check, for views and for consumers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import parse_cookie
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError

from accounts.models import User
from accounts.services import create_api_user
from opengpts.cross_site import SAFE_METHODS, refuse_cross_site, refuse_cross_site_connection
from opengpts.errors import Unauthenticated

MAX_USER_ID = 255
# How a browser gives a WebSocket its token, which has no header for it: the protocols `bearer` and then the token.
BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Identified:
    """A user, and whether a browser says so of itself, for pages of other sites too: by a cookie, or by nothing."""

    user: User
    ambient: bool = False


def identify(cookies: Mapping[str, str], token: str | None = None) -> Identified:
    """The user that a request speaks for.

    A bearer token that this server has signed comes first. The development check (`AUTH_TYPE=cookie`) believes the
    cookie `opengpts_user_id`. Then a login to the admin counts. Without any of these, everybody is one default user.
    A user is made when first seen. Raises `Unauthenticated` for a name that cannot be one, for the name of a user with
    a password, who must log in, and where nothing says who it is.
    """
    if token is not None and (user := _by_token(token)) is not None:
        return Identified(user)
    username = cookies.get(settings.AUTH_COOKIE)
    if not username and (user := _by_session(cookies.get(settings.SESSION_COOKIE_NAME))) is not None:
        return Identified(user, ambient=True)
    return Identified(_by_name(username or settings.AUTH_DEFAULT_USER), ambient=True)


def identify_scope(scope: Mapping[str, Any]) -> User:
    """`identify` for an ASGI connection, HTTP or WebSocket. Raises `Forbidden` for what another site's page sends."""
    cookies, token = "", None
    for name, value in scope["headers"]:
        if name == b"cookie" and not cookies:
            cookies = value.decode("latin-1")
        elif name == b"authorization" and token is None:
            token = _bearer(value.decode("latin-1"))
    identified = identify(parse_cookie(cookies), token or _token_among(scope.get("subprotocols") or ()))
    if scope["type"] == "websocket" or (identified.ambient and scope.get("method") not in SAFE_METHODS):
        refuse_cross_site_connection(scope, by_token=not identified.ambient)
    return identified.user


def check_still(user: User, scope: Mapping[str, Any]) -> None:
    """Whether a connection that was `user`'s when it was opened still is.

    Raises `Unauthenticated` where its login, its token or its user has come to an end since.
    """
    if identify_scope(scope).pk != user.pk:
        raise Unauthenticated("This connection was opened by a user who is not logged in any more.")


def requester(request: Request) -> User:
    """The user that `Identity` found for a request of the API."""
    assert isinstance(request.user, User)
    return request.user


class Identity(BaseAuthentication):
    """`identify` for DRF."""

    def authenticate(self, request: Request) -> tuple[User, None]:
        identified = identify(request.COOKIES, _bearer(request.META.get("HTTP_AUTHORIZATION", "")))
        if identified.ambient and request.method not in SAFE_METHODS:
            refuse_cross_site(request._request)
        return identified.user, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == BEARER and token.strip() else None


def _token_among(subprotocols: Sequence[str]) -> str | None:
    return subprotocols[1] if len(subprotocols) > 1 and subprotocols[0] == BEARER else None


def _by_token(token: str) -> User | None:
    """The user of a token, for which nobody is the default user: a development server knows no tokens of others."""
    check = JWTAuthentication()
    try:
        user = check.get_user(check.get_validated_token(token.encode()))
    except (AuthenticationFailed, TokenError):
        if settings.AUTH_DEFAULT_USER is None:
            raise Unauthenticated("This token is not valid, or no longer.") from None
        return None
    assert isinstance(user, User)
    return user


def _by_session(session_key: str | None) -> User | None:
    """The user who has logged in under that session."""
    if not session_key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]  # it reads nothing else
    return user if isinstance(user, User) and user.is_active else None


def _by_name(username: str | None) -> User:
    if username is None:
        raise Unauthenticated(f"The cookie {settings.AUTH_COOKIE} is missing.")
    if len(username) > MAX_USER_ID:
        raise Unauthenticated(f"The cookie {settings.AUTH_COOKIE} is longer than {MAX_USER_ID} characters.")
    if not username.isprintable():
        raise Unauthenticated(f"The cookie {settings.AUTH_COOKIE} has characters that cannot be printed.")
    user = User.objects.filter(username=username).first() or create_api_user(username=username)
    if not user.is_active or not user.is_api_identity:
        raise Unauthenticated("This user cannot be used through the development cookie.")
    return user
