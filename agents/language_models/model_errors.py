"""Says in a sentence for the client why a model did not answer. The provider's own text stays in the log."""

import json
from collections.abc import Iterator
from typing import Any

from agents.errors import ModelFailed, ModelUnavailable
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.model_entry import ModelEntry
from agents.language_models.providers import base_url_setting, module_of
from opengpts.errors import OpenGPTsError

TOO_LONG = "The conversation is longer than the model can read. Shorten the last message, or choose another model."
TIMED_OUT = "The model did not answer in time. Try again."
UNREACHABLE = "The model's provider could not be reached. Check the network and {base_url}, then try again."
BROKEN_OFF = "The connection to the model broke before the answer was complete. Try again."
UNREADABLE = "The model's provider sent an answer that cannot be read."
REPORTED = "The model's provider reported an error in the middle of its answer. Try again."
QUOTA = "The model's provider answered 429: the account's quota is used up."
UNSENDABLE = (
    "The conversation has an image or a file in a form that this model cannot be sent. Remove that message, or choose "
    "another model."
)
NOT_TAKEN = (
    "The model cannot be used: its package does not know one of the parameters that are set for it. Correct them in "
    "the admin, or choose another model."
)
NO_CREDENTIALS = "The model's provider was not asked: there are no credentials for it. Check {key}."

_UNAVAILABLE = {
    401: "check {key}.",
    403: "{key} may not use this model.",
    404: "it does not know this model. Choose another, or check {base_url}.",
}
_FAILED = {
    400: "it refused the request.",
    429: "too many requests. Try again in a while.",
}
_SERVER_ERROR = "it has a problem of its own. Try again in a while."
_TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error"}


def explain(exc: BaseException, entry: ModelEntry | None = None) -> OpenGPTsError | None:
    """The error to tell a client about an `exc` that ended a run; None where it is no error of a model.

    `entry` is the run's model, whose settings are named in what to check; without it, OpenAI's. An error that was
    written for clients already is returned as it is.
    """
    # Late, like all of LangChain (see `agents.graphs`): whoever has such an error has these modules already.
    import httpx2
    import openai
    from langchain_core.exceptions import ContextOverflowError
    from langchain_openai import StreamChunkTimeoutError

    names = _settings_of(entry or MODELS[DEFAULT_LABEL])
    match exc:
        case OpenGPTsError():
            return exc
        case ContextOverflowError():
            return ModelFailed(TOO_LONG)
        case openai.APIStatusError():
            return _explain_status(exc.status_code, exc.body, names)
        case openai.APITimeoutError() | StreamChunkTimeoutError():
            return ModelFailed(TIMED_OUT)
        case openai.APIConnectionError():
            refused = any(isinstance(error, httpx2.ConnectError) for error in _causes(exc))
            return ModelUnavailable(UNREACHABLE.format(**names)) if refused else ModelFailed(BROKEN_OFF)
        case openai.APIError():
            return ModelFailed(REPORTED)
        case json.JSONDecodeError() if _raised_in(exc, "openai"):
            return ModelFailed(UNREADABLE)
        case ValueError() if _raised_in(exc, "langchain_core.messages.block_translators"):
            return ModelFailed(UNSENDABLE)
        # A parameter that is passed on to the client's call, which does not know it.
        case TypeError() if "unexpected keyword argument" in str(exc) and _raised_in(exc, "langchain_openai"):
            return ModelUnavailable(NOT_TAKEN)
    if entry and (module := module_of(entry.provider)) and _raised_in(exc, module):
        return _explain_other(exc, names)
    return None


def _settings_of(entry: ModelEntry) -> dict[str, str]:
    """What to check when the provider refuses: the names, for the messages."""
    return {"key": entry.key_env or f"the credentials of {entry.label}", "base_url": base_url_setting(entry)}


def _explain_other(exc: BaseException, names: dict[str, str]) -> OpenGPTsError | None:
    """An error of a provider whose package need not be installed, told by what such errors have in common."""
    errors = list(_causes(exc))
    if status := next((status for error in errors if (status := _status_of(error))), None):
        return _explain_status(status, getattr(exc, "body", None), names)
    kinds = " ".join(kind.__name__ for error in errors for kind in type(error).__mro__)
    if "Credentials" in kinds:
        return ModelUnavailable(NO_CREDENTIALS.format(**names))
    if "Timeout" in kinds:
        return ModelFailed(TIMED_OUT)
    if "ConnectError" in kinds or "EndpointConnectionError" in kinds:
        return ModelUnavailable(UNREACHABLE.format(**names))
    return ModelFailed(BROKEN_OFF) if "Connection" in kinds or "ProtocolError" in kinds else None


def _status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries, where its package or the HTTP client put it; None without one."""
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    for status in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
        metadata.get("HTTPStatusCode"),
    ):
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def _explain_status(status: int, body: Any, names: dict[str, str]) -> OpenGPTsError:
    said = {body.get("code"), body.get("type")} if isinstance(body, dict) else set()
    if said & _TOO_LONG_CODES:
        return ModelFailed(TOO_LONG)
    if "insufficient_quota" in said:
        return ModelFailed(QUOTA)
    head = f"The model's provider answered {status}: "
    if status in _UNAVAILABLE:
        return ModelUnavailable(head + _UNAVAILABLE[status].format(**names))
    return ModelFailed(head + (_SERVER_ERROR if status >= 500 else _FAILED.get(status, _FAILED[400])))


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """`exc` and the errors it was raised from, the latest first."""
    error: BaseException | None = exc
    while error:
        yield error
        error = error.__cause__


def _raised_in(exc: BaseException, package: str) -> bool:
    """Whether `exc` passed through code in `package`: its type alone does not say whose error it is."""
    traceback = exc.__traceback__
    while traceback:
        if f"{traceback.tb_frame.f_globals.get('__name__', '')}.".startswith(f"{package}."):
            return True
        traceback = traceback.tb_next
    return False
