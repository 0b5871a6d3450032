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


def sent_events(**fields: dict[str, Any]) -> dict[str, Any]:
    """The schema of one event of a `text/event-stream`: OpenAPI has no word for a stream of them before 3.2.

    `fields` say more about some of its fields.
    """
    text = {"type": "string"}
    return {"type": "object", "properties": {name: text | fields.get(name, {}) for name in ("id", "event", "data")}}


class Refusal(BaseModel):
    """Why a request was not done: a sentence, or what is wrong with which of its places."""

    detail: list[Complaint] | str


# What drf-spectacular says of an id: routes take any text, which is then that of nothing.
_ANY_SEGMENT = "^[^/]+$"
# What every operation may answer beside what it names itself.
_UNAUTHENTICATED = "Nothing says who is asking, or what says it is not valid (any more)."
_REFUSED = (
    "Not done, as every operation may answer: 400 for what cannot be read, 403 for what may not be done, 404 for what "
    "is not there or not yours, 405, 408, 409 for what does not go with how things stand, 413, 414 and 431 for what is "
    "too large, 415 for another kind of content, 422 for what has the wrong shape, 429 for too much (`Retry-After` "
    "says when to come back), 500 for a fault of the server's own, 502 to 504 for those of others."
)


def complete_operations(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular: the answers that are the same for all operations."""
    refusal = Refusal.model_json_schema(ref_template="#/components/schemas/{model}")
    result["components"]["schemas"] |= {**refusal.pop("$defs"), "Refusal": refusal}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    challenge = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    for path in result["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["schema"].get("pattern") == _ANY_SEGMENT:
                    parameter["schema"] = {"type": "string", "format": "uuid"}
            if body := operation.get("requestBody"):
                body["required"] = True
            responses = operation["responses"]
            if operation.get("security"):
                if settings.AUTH_DEFAULT_USER is not None and {} not in operation["security"]:
                    operation["security"].append({})
                unknown = {"description": _UNAUTHENTICATED, "headers": challenge, "content": content}
                responses.setdefault("401", unknown)
            responses.setdefault("default", {"description": _REFUSED, "content": content})
    return result


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
