"""`POST /threads/{id}/commands`, and what the documentation says of the streams of threads."""

from typing import Annotated, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from opengpts.auth import ANY_KEY, Needs, Scope, identified, requester, require
from opengpts.bodies import decode_body
from opengpts.errors import Forbidden, OpenGPTsError
from opengpts.openapi import BAD_REQUEST, INVALID, NOT_FOUND, sent_events
from runs.streaming.command_frames import MAX_COMMAND_ID, MAX_METHOD, Command, CommandFailed, failure, read_command
from runs.streaming.commands import need_of, perform
from runs.streaming.subscriptions import SubscribeBody
from runs.views import NO_STREAMS

EVENTS = (
    "Server-sent events, each an `Event` of the Agent Streaming Protocol: `{type, event_id, seq, method, params: "
    "{namespace, timestamp, data}}`. The stream does not end with a run. The same address takes a WebSocket."
)
# Errors whose status clients act on; all others come as the protocol's `ErrorResponse` with 200, as clients expect.
HTTP_STATUSES = (401, 403, 413, 429, 503)


class CommandBody(BaseModel):
    """A command of the Agent Streaming Protocol.

    `method` is `run.start`, `run.cancel`, `input.respond`, `input.inject`, `state.get`, `state.listCheckpoints`,
    `state.fork` or `agent.getTree`. `params` are what the protocol says.
    """

    id: Annotated[int, Field(ge=-MAX_COMMAND_ID, le=MAX_COMMAND_ID)]
    method: Annotated[str, Field(max_length=MAX_METHOD)]
    params: dict[str, Any] | None = None


class CommandView(APIView):
    """Commands about a thread and its runs."""

    # Each command has a need of its own.
    needs: Needs = {"post": ANY_KEY}

    @extend_schema(
        tags=["streams"],
        summary="Send a command of the Agent Streaming Protocol",
        description="Answered with a `CommandResponse` or an `ErrorResponse` of the protocol.",
        request=CommandBody,
        responses={200: OpenApiTypes.OBJECT, 400: OpenApiTypes.OBJECT, 404: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, thread_id: str) -> Response:
        command_id = None
        try:
            command = read_command(decode_body(request._request.body, request.META.get("CONTENT_TYPE")))
            command_id = command.id
            _check(request, command)
            return Response(perform(requester(request), thread_id, command))
        except CommandFailed as failed:
            headers = failed.error.headers if failed.error else {}
            return Response(failure(command_id, failed), status=_status(failed, command_id), headers=headers)
        except OpenGPTsError as exc:
            return Response(failure(None, CommandFailed("invalid_argument", exc.message)), status=400)


class ThreadEventsView(APIView):
    """Here for the documentation, and for servers without ASGI: see `ThreadEventsConsumer`."""

    needs: Needs = {"post": Scope.READ}

    @extend_schema(
        tags=["streams"],
        summary="Stream what goes on in a thread",
        description=EVENTS,
        request=SubscribeBody,
        responses={
            (200, "text/event-stream"): OpenApiResponse(sent_events(), description=EVENTS),
            400: BAD_REQUEST,
            404: NOT_FOUND,
            422: INVALID,
        },
    )
    def post(self, request: Request, thread_id: str) -> Response:
        raise OpenGPTsError(NO_STREAMS, code="not_supported")


def _check(request: Request, command: Command) -> None:
    """Raises `CommandFailed` where an API key is not made for a command."""
    try:
        require(identified(request), need_of(command))
    except Forbidden as exc:
        raise CommandFailed(exc.code, exc.message, exc) from exc


def _status(failed: CommandFailed, command_id: int | None) -> int:
    if command_id is None:
        return 400
    if failed.code == "permission_denied":
        return failed.error.status if failed.error else 404
    return failed.error.status if failed.error and failed.error.status in HTTP_STATUSES else 200
