"""Says in a sentence for the client why a model did not answer. The provider's own text stays in the log."""

import json
from collections.abc import Iterator
from typing import Any

from agents.errors import ModelFailed, ModelUnavailable
from opengpts.errors import OpenGPTsError

TOO_LONG = "The conversation is longer than the model can read. Shorten the last message, or choose another model."
TIMED_OUT = "The model did not answer in time. Try again."
UNREACHABLE = "The model's provider could not be reached. Check the network and OPENAI_BASE_URL, then try again."
BROKEN_OFF = "The connection to the model broke before the answer was complete. Try again."
UNREADABLE = "The model's provider sent an answer that cannot be read."
REPORTED = "The model's provider reported an error in the middle of its answer. Try again."
QUOTA = "The model's provider answered 429: the account's quota is used up."

_UNAVAILABLE = {
    401: "check OPENAI_API_KEY.",
    403: "OPENAI_API_KEY may not use this model.",
    404: "it does not know this model. Choose another, or check OPENAI_BASE_URL.",
}
_FAILED = {
    400: "it refused the request.",
    429: "too many requests. Try again in a while.",
}
_SERVER_ERROR = "it has a problem of its own. Try again in a while."
_TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error"}


def explain(exc: BaseException) -> OpenGPTsError | None:
    """The error to tell a client about an `exc` that ended a run; None where it is no error of a model.

    An error that was written for clients already is returned as it is.
    """
    # Late, like all of LangChain (see `agents.graphs`): whoever has such an error has these modules already.
    import httpx2
    import openai
    from langchain_core.exceptions import ContextOverflowError
    from langchain_openai import StreamChunkTimeoutError

    match exc:
        case OpenGPTsError():
            return exc
        case ContextOverflowError():
            return ModelFailed(TOO_LONG)
        case openai.APIStatusError():
            return _explain_status(exc.status_code, exc.body)
        case openai.APITimeoutError() | StreamChunkTimeoutError():
            return ModelFailed(TIMED_OUT)
        case openai.APIConnectionError():
            refused = any(isinstance(error, httpx2.ConnectError) for error in _causes(exc))
            return ModelUnavailable(UNREACHABLE) if refused else ModelFailed(BROKEN_OFF)
        case openai.APIError():
            return ModelFailed(REPORTED)
        case json.JSONDecodeError() if _raised_in(exc, "openai"):
            return ModelFailed(UNREADABLE)
    return None


def _explain_status(status: int, body: Any) -> OpenGPTsError:
    said = {body.get("code"), body.get("type")} if isinstance(body, dict) else set()
    if said & _TOO_LONG_CODES:
        return ModelFailed(TOO_LONG)
    if "insufficient_quota" in said:
        return ModelFailed(QUOTA)
    head = f"The model's provider answered {status}: "
    if status in _UNAVAILABLE:
        return ModelUnavailable(head + _UNAVAILABLE[status])
    return ModelFailed(head + (_SERVER_ERROR if status >= 500 else _FAILED.get(status, _FAILED[400])))


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """`exc` and the errors it was raised from, the latest first."""
    error: BaseException | None = exc
    while error:
        yield error
        error = error.__cause__


def _raised_in(exc: BaseException, package: str) -> bool:
    """Whether `exc` passed through code of `package`: its type alone does not say whose error it is."""
    traceback = exc.__traceback__
    while traceback:
        if traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] == package:
            return True
        traceback = traceback.tb_next
    return False
