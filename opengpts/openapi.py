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


class IdentityScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document says that requests are identified."""

    target_class = "opengpts.auth.Identity"
    name = "cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.AUTH_COOKIE,
            "description": "Development only: who you say you are. Without it you are the default user.",
        }
