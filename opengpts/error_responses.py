"""Errors as responses: the one place that says which error gets which status and body."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as drf
from rest_framework.response import Response

from opengpts.client_address import address_of_request
from opengpts.errors import (
    INTERNAL_ERROR,
    BadRequest,
    NotFound,
    NotIdentified,
    OpenGPTsError,
    RateLimited,
    TooLarge,
    Unauthenticated,
)
from opengpts.throttling import throttle_address

logger = logging.getLogger(__name__)

_CODE_OF_DRF: list[tuple[type[Exception], str]] = [
    (drf.AuthenticationFailed, "unauthenticated"),
    (drf.NotAuthenticated, "unauthenticated"),
    (drf.PermissionDenied, "permission_denied"),
    (drf.MethodNotAllowed, "method_not_allowed"),
    (drf.UnsupportedMediaType, "unsupported_media_type"),
    (drf.Throttled, "rate_limited"),
    (drf.NotFound, "not_found"),
    (drf.ParseError, "bad_request"),
]


def as_client_error(exc: BaseException) -> OpenGPTsError:
    """The error to tell a client about `exc`: itself where it was written for clients, a bare 500 where not."""
    if isinstance(exc, OpenGPTsError):
        return exc
    if isinstance(exc, RequestDataTooBig):
        return TooLarge("The request body is larger than this server takes.")
    if isinstance(exc, Http404):
        return NotFound("Not Found")
    if isinstance(exc, SuspiciousOperation | DjangoBadRequest):
        return BadRequest("This request cannot be read: it has more parts than this server takes, or broken ones.")
    for kind, code in _CODE_OF_DRF:
        if isinstance(exc, kind):
            return OpenGPTsError(str(getattr(exc, "detail", "")), code=code)
    return OpenGPTsError(INTERNAL_ERROR)


def api_exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's `EXCEPTION_HANDLER`: every error of the API, as `{"detail": …}` with its status."""
    error = as_client_error(exc)
    request = context.get("request")
    if isinstance(error, Unauthenticated | NotIdentified) and request is not None:
        error = _counted(error, request._request)
    if error.code == "internal_error":
        logger.error(
            "unhandled error in %s %s",
            getattr(request, "method", "?"),
            getattr(request, "path", "?"),
            exc_info=exc,
        )
    return Response({"detail": error.detail}, status=error.status, headers=error.headers)


def _counted(refusal: OpenGPTsError, request: HttpRequest) -> OpenGPTsError:
    """The refusal of somebody unknown, or that there were too many of them."""
    try:
        throttle_address(address_of_request(request))
    except RateLimited as exc:
        return exc
    return refusal


def read_only(view: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A plain view that answers GET and HEAD; other methods get 405."""

    # Exempt, so that another method is told that it is wrong, and not that a token is missing.
    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            return view(request)
        detail = f'Method "{request.method}" not allowed.'
        return JsonResponse({"detail": detail}, status=405, headers={"Allow": "GET, HEAD"})

    return answer


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """What an address that nothing answers to returns."""
    return JsonResponse({"detail": "Not Found"}, status=404)


def server_error(request: HttpRequest) -> JsonResponse:
    """What Django returns for an error outside the API's own views."""
    return JsonResponse({"detail": INTERNAL_ERROR}, status=500)
