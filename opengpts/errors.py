"""The errors that clients are told about.

Streams send the same `code` and message that a response would carry. The text of an error that is not
one of these never reaches a client: it is logged.
"""

from typing import Any

INTERNAL_ERROR = "Internal Server Error"

STATUS_OF_CODE = {
    "invalid_argument": 422,
    "invalid_config": 422,
    "address_refused": 422,
    "bad_request": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "unsupported_document": 415,
    "unsupported_media_type": 415,
    "unreadable_document": 422,
    "rate_limited": 429,
    "quota_exceeded": 429,
    "not_supported": 501,
    "model_failed": 502,
    "tool_failed": 502,
    "outgoing_failed": 502,
    "embedding_failed": 502,
    "identity_unavailable": 503,
    "model_unavailable": 503,
    "embedding_unavailable": 503,
    "tool_unavailable": 503,
    "tool_timed_out": 504,
    "run_timed_out": 504,
    "cancelled": 409,
    "timed_out": 408,
    "begun_again": 503,
    "server_stopping": 503,
}


class OpenGPTsError(Exception):
    """The root of every error whose message is written for the client.

    `code` is stable and names the kind; `message` says in a sentence what is wrong and what helps.
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code:
            self.code = code

    @property
    def status(self) -> int:
        """The HTTP status that says the same."""
        return STATUS_OF_CODE.get(self.code, 500)

    @property
    def detail(self) -> Any:
        """What stands behind `detail` in the response body."""
        return self.message

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the response must have."""
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


class Invalid(OpenGPTsError):
    """The request has the wrong shape or a value out of range.

    `details` is a list of `{"type", "loc", "msg", "input"}`, as pydantic and FastAPI write it.
    """

    code = "invalid_argument"

    def __init__(self, details: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(str(item["msg"]) for item in details))
        self.details = details

    @classmethod
    def at(cls, *loc: str | int, msg: str, value: Any, type: str = "value_error") -> "Invalid":
        """One complaint, about the value at `loc`."""
        return cls([{"type": type, "loc": list(loc), "msg": msg, "input": value}])

    @property
    def detail(self) -> Any:
        return self.details


class BadRequest(OpenGPTsError):
    code = "bad_request"


class Unauthenticated(OpenGPTsError):
    """Nothing says who is asking; or what does is `refused`, so that another login is needed (RFC 6750, section 3)."""

    code = "unauthenticated"

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"' if self.refused else "Bearer"}


class NotIdentified(OpenGPTsError):
    """Nothing says who is asking, where OpenGPTs answers that with 403."""

    code = "permission_denied"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class TryLater(OpenGPTsError):
    """What may be done later. `retry_after`: seconds until then, where time alone helps."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class IdentityUnavailable(TryLater):
    """Who is asking cannot be found out now."""

    code = "identity_unavailable"


class NotFound(OpenGPTsError):
    code = "not_found"


class Conflict(OpenGPTsError):
    code = "conflict"


class TooLarge(OpenGPTsError):
    code = "too_large"


class TooSlow(OpenGPTsError):
    code = "timed_out"


class Forbidden(OpenGPTsError):
    """Whoever is asking may not do this. `bearer` is what another token would need (RFC 6750, section 3)."""

    code = "permission_denied"

    def __init__(self, message: str, *, bearer: str = "") -> None:
        super().__init__(message)
        self.bearer = bearer

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f"Bearer {self.bearer}"} if self.bearer else {}


class RateLimited(TryLater):
    """Too many requests, or too much work."""

    code = "rate_limited"


class QuotaExceeded(TryLater):
    """A user has used what they may of something."""

    code = "quota_exceeded"
