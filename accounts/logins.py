"""Logins by name and password: the tokens of `AUTH_TYPE=local`, by djangorestframework-simplejwt.

A login is a chain of refresh tokens, each good for one refresh, and the access tokens that come with them. All name the
login (`login`), so that it can be ended as a whole, and hold what binds it to its user (`bound`): another password, or
the end of all their logins, ends it. Nothing is stored of a token before it is spent.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import transaction
from django.db.models import Exists, F
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import User
from opengpts.errors import Unauthenticated

# Claims.
LOGIN, BOUND = "login", "bound"


INVALID = "This token is not valid, or no longer."


def log_in(*, username: str, password: str) -> RefreshToken:
    """A new login; its first access token is `access_token`. Raises `Unauthenticated`, not saying what was wrong."""
    # Takes as long for a name that nobody has.
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise Unauthenticated("No user who may log in has this name and password.")
    update_last_login(User, user)
    return _refresh_token(user, uuid.uuid4().hex)


def refresh_login(*, token: str) -> RefreshToken:
    """The next refresh token of a login, for the last one, which is good for that once.

    Raises `Unauthenticated`. A token that comes twice was stolen, or its thief came first: the whole login is ended.
    """
    refresh = _read(RefreshToken, token)
    user = _user_of(refresh)
    with transaction.atomic():
        _, first = refresh.blacklist()
        if not first:
            _end(user, refresh[LOGIN])
    if not first:
        raise Unauthenticated("This token was used before, so its login was ended. Log in again.", refused=True)
    return _refresh_token(user, refresh[LOGIN])


def check_access(*, token: str) -> tuple[User, datetime]:
    """The user of an access token, and when it expires. Raises `Unauthenticated`."""
    access = _read(AccessToken, token)
    return _user_of(access), datetime.fromtimestamp(access["exp"], UTC)


def check_token(*, token: str) -> None:
    """Raises `Unauthenticated` unless it is an access or refresh token that can be used."""
    try:
        check_access(token=token)
    except Unauthenticated:
        refresh = _read(RefreshToken, token)
        _user_of(refresh)
        if BlacklistedToken.objects.filter(token__jti=refresh["jti"]).exists():
            raise Unauthenticated(INVALID, refused=True) from None


def end_login(*, token: str, all_of_them: bool = False) -> None:
    """End the login of a refresh token, with all its tokens; or all logins of its user, sessions of the admin too.

    Raises `Unauthenticated` where it has ended already.
    """
    refresh = _read(RefreshToken, token)
    user = _user_of(refresh)
    if all_of_them:
        end_all_logins(user=user)
        return
    with transaction.atomic():
        refresh.blacklist()
        _end(user, refresh[LOGIN])


def end_all_logins(*, user: User) -> None:
    """End every login of a user: tokens, and sessions of the admin. API keys stay."""
    User.objects.filter(pk=user.pk).update(login_epoch=F("login_epoch") + 1)


def _refresh_token(user: User, login: str) -> RefreshToken:
    token = RefreshToken()
    token[api_settings.USER_ID_CLAIM] = str(user.pk)
    token[LOGIN] = login
    token[BOUND] = user.get_session_auth_hash()
    return token


def _read(kind: type[Token], token: str) -> Any:
    """The token, whose signature, kind and time are right. Whether its login goes on, `_user_of` says."""
    try:
        # Without the query of its own that simplejwt's refresh tokens make: whether it was spent is seen later.
        found = _Unspent(token) if kind is RefreshToken else kind(token)  # type: ignore[arg-type]
    except TokenError as exc:
        raise Unauthenticated("This token has expired." if "expired" in str(exc) else INVALID, refused=True) from exc
    if not all(isinstance(found.get(claim), str) for claim in (LOGIN, BOUND, api_settings.USER_ID_CLAIM)):
        raise Unauthenticated(INVALID, refused=True)
    return found


class _Unspent(RefreshToken):
    def check_blacklist(self) -> None:
        """Not here."""


def _user_of(token: Token) -> User:
    """The user of a token whose login goes on: one query. Raises `Unauthenticated`."""
    ended = BlacklistedToken.objects.filter(token__jti=_jti(token[LOGIN]))
    user_id = token[api_settings.USER_ID_CLAIM]
    users = User.objects.annotate(login_ended=Exists(ended))
    user = users.filter(pk=user_id, is_active=True).first() if user_id.isascii() and user_id.isdigit() else None
    if user is None or user.login_ended or not _is_bound(token[BOUND], user):
        raise Unauthenticated(INVALID, refused=True)
    return user


def _is_bound(bound: str, user: User) -> bool:
    return any(constant_time_compare(bound, now) for now in _bindings(user))


def _bindings(user: User) -> Iterator[str]:
    yield user.get_session_auth_hash()
    yield from user.get_session_auth_fallback_hash()


def _end(user: User, login: str) -> None:
    """Have the blacklist name a login as it names tokens. What it names is forgotten when it would have expired."""
    until = timezone.now() + api_settings.REFRESH_TOKEN_LIFETIME
    entry, _ = OutstandingToken.objects.get_or_create(
        jti=_jti(login),
        defaults={"user": user, "token": "", "created_at": timezone.now(), "expires_at": until},  # nosec B105  # none
    )
    BlacklistedToken.objects.get_or_create(token=entry)


def _jti(login: str) -> str:
    return f"login:{login}"
