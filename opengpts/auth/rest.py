"""The identity check for Django REST framework's views."""

import logging
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User
from accounts.scopes import Scope
from opengpts.auth.check import identify
from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.scopes import ANY_KEY, PEOPLE, Need, require
from opengpts.cross_site import SAFE_METHODS, refuse_cross_site
from opengpts.errors import OpenGPTsError

logger = logging.getLogger(__name__)


class Identity(BaseAuthentication):
    """`identify` for requests to views. `request.auth` is the `Identified`."""

    def authenticate(self, request: Request) -> tuple[User, Identified]:
        identified = identify(Credentials.of_request(request))
        if identified.ambient and request.method not in SAFE_METHODS:
            refuse_cross_site(request._request)
        return identified.user, identified

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class IdentityIfAny(Identity):
    """For what is open to everybody: nobody is there where nothing good says who it is, or a key may not read."""

    def authenticate(self, request: Request) -> tuple[User, Identified] | None:  # type: ignore[override]
        try:
            user, found = super().authenticate(request)
            require(found, Scope.READ)
        except OpenGPTsError as exc:
            logger.debug("somebody asks for %s as nobody: %s", request.path, exc.message)
            return None
        return user, found


class MayAsk(BasePermission):
    """Somebody is there; and where it is an API key, it may do what the view's `needs` say.

    A view that says nothing is for people only.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Identified):
            return False
        require(request.auth, need_of(view, request.method or ""))
        return True


def need_of(view: Any, method: str) -> Need:
    """What a request to this view needs of an API key. One of a method that there is not is told so, by whomever."""
    name = "get" if method == "HEAD" else method.lower()
    if name == "options" or not hasattr(view, name):
        return ANY_KEY
    need: Need = getattr(view, "needs", {}).get(getattr(view, "action", None) or name, PEOPLE)
    return need


def requester(request: Request) -> User:
    """The user that `Identity` found for a request of the API."""
    assert isinstance(request.user, User)
    return request.user


def identified(request: Request) -> Identified:
    """What `Identity` found for a request of the API: the user, and how."""
    assert isinstance(request.auth, Identified)
    return request.auth
