"""Who is asking: the one identity check, for views and for consumers."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import parse_cookie
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import User
from accounts.services import create_api_user
from opengpts.errors import Unauthenticated

MAX_USER_ID = 255


def identify(cookies: Mapping[str, str]) -> User:
    """The user that a request speaks for.

    The development check (`AUTH_TYPE=cookie`) believes the cookie `opengpts_user_id`; without one, everybody
    is one default user. A user is made when first seen. Raises `Unauthenticated` for a name that cannot be
    one, and for the name of a user with a password, who must log in.
    """
    username = cookies.get(settings.AUTH_COOKIE) or settings.AUTH_DEFAULT_USER
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


def identify_scope(scope: Mapping[str, Any]) -> User:
    """`identify` for an ASGI connection, HTTP or WebSocket."""
    header = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
    return identify(parse_cookie(header.decode("latin-1")))


def requester(request: Request) -> User:
    """The user that `Identity` found for a request of the API."""
    assert isinstance(request.user, User)
    return request.user


class Identity(BaseAuthentication):
    """`identify` for DRF."""

    def authenticate(self, request: Request) -> tuple[User, None]:
        return identify(request.COOKIES), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
