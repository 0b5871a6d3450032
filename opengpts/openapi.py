"""What the OpenAPI document says about answers that every route shares."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from pydantic import BaseModel


class Status(BaseModel):
    """`{"status": "ok"}`"""

    status: str


class Problem(BaseModel):
    """Why a request was not done."""

    detail: str


class Complaint(BaseModel):
    """What is wrong with one place of the request."""

    type: str
    loc: list[str | int]
    msg: str
    input: Any


class ValidationProblem(BaseModel):
    """Why a request has the wrong shape."""

    detail: list[Complaint]


DELETED = Status
GONE = OpenApiResponse(DELETED, description="It is gone, whether or not it was there.")
NOT_FOUND = Problem
BAD_REQUEST = Problem
CONFLICT = Problem
LIMITED = Problem
INVALID = ValidationProblem


# What goes with every AUTH_TYPE.
_API_KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Api-Key",
    "description": "An API key, from `POST /api-keys`. It may be sent as a bearer token, too.",
}
_SESSION = {
    "type": "apiKey",
    "in": "cookie",
    "name": settings.SESSION_COOKIE_NAME,
    "description": "A login to the admin.",
}
_BEARERS = {
    "cookie": "An API key, from `POST /api-keys`.",
    "jwt_local": "A token of the issuer that this server trusts, or an API key.",
    "jwt_oidc": "A token of the OpenID Connect issuer that this server trusts, or an API key.",
    "local": "An access token, from `POST /auth/token`, or an API key.",
}


class IdentityScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document says that requests are identified: in one of these ways."""

    target_class = "opengpts.auth.Identity"

    @property
    def name(self) -> list[str]:  # type: ignore[override]
        return list(self._schemes())

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return list(self._schemes().values())

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self._schemes()]

    def _schemes(self) -> dict[str, dict[str, str]]:
        bearer = {"type": "http", "scheme": "bearer", "description": _BEARERS[settings.AUTH_TYPE]}
        schemes = {"bearer": bearer, "api_key": _API_KEY, "session": _SESSION}
        if settings.AUTH_TYPE != "cookie":
            return schemes
        default = "you are the default user" if settings.AUTH_DEFAULT_USER else "nobody is there"
        description = f"Who you say you are, which is believed. Without it {default}."
        cookie = {"type": "apiKey", "in": "cookie", "name": settings.AUTH_COOKIE, "description": description}
        return {"cookie": cookie, **schemes}


class IdentityIfAnyScheme(IdentityScheme):  # type: ignore[no-untyped-call]
    """The same where it is open to everybody. The ways are defined by those that ask for one."""

    target_class = "opengpts.auth.IdentityIfAny"
    name: list[str] = []

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return []

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{}, *super().get_security_requirement(auto_schema)]
