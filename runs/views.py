"""`/runs`, and `/threads/{id}/runs`. The streams are in `runs.streaming`."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from opengpts.api import OK, read_body, read_number
from opengpts.auth import Needs, Scope, requester
from opengpts.errors import Invalid, OpenGPTsError
from opengpts.later import Later
from opengpts.lookup import find
from opengpts.openapi import BAD_REQUEST, CONFLICT, DELETED, INVALID, LIMITED, NOT_FOUND, sent_events
from runs.cancellation import cancel_run, delete_run
from runs.models import CancelAction, Run
from runs.schemas import RunBody, RunSerializer, RunStarted
from runs.services import create_run
from runs.streaming.http import STOPPING
from runs.streaming.waiting import wait_for_end
from threads.models import Thread

STREAM = (
    "Server-sent events, each with an id: `metadata` with the run's id; `data` with `{messages: […]}`, those of this "
    "run so far, the last one growing; `error` with status_code, message and code; `end`. The run goes on when the "
    "client leaves, unless it asked for `on_disconnect: cancel`."
)
STREAMED = {
    (200, "text/event-stream"): OpenApiResponse(
        sent_events(event={"enum": ["metadata", "data", "error", "end"]}), description=STREAM
    )
}
NO_STREAMS = "Streams need an ASGI server, such as uvicorn or daphne."
# Seconds.
MAX_WAIT = 3600
_SECONDS = {"type": "integer", "minimum": 0, "maximum": MAX_WAIT, "default": MAX_WAIT}


@extend_schema(tags=["runs"])
@extend_schema_view(
    retrieve=extend_schema(summary="One run, and how far it is", responses={200: RunSerializer, 404: NOT_FOUND}),
    create=extend_schema(
        summary="Start a run in the background",
        request=RunBody,
        responses={
            200: RunStarted,
            400: BAD_REQUEST,
            404: NOT_FOUND,
            409: CONFLICT,
            422: INVALID,
            429: LIMITED,
        },
    ),
    destroy=extend_schema(
        summary="Forget a run that has ended; what it added to its thread stays",
        responses={200: OpenApiResponse(DELETED), 404: NOT_FOUND, 409: CONFLICT},
    ),
)
class RunViewSet(GenericViewSet[Run]):
    """Work of an assistant on a thread. One at a time per thread; the others wait their turn."""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {
        "retrieve": Scope.READ,
        "create": Scope.RUN,
        "destroy": Scope.MANAGE,
        "cancel": Scope.RUN,
        "wait": Scope.READ,
        "stream": Scope.RUN,
        "watch": Scope.READ,
    }

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(RunSerializer(self._find(request, pk)).data)

    def create(self, request: Request) -> Response:
        run = create_run(owner=requester(request), body=read_body(request, RunBody))
        return Response(RunStarted(run_id=str(run.pk)).model_dump())

    def destroy(self, request: Request, pk: str) -> Response:
        delete_run(owner=requester(request), run_id=pk)
        return Response(OK)

    @extend_schema(
        summary="Cancel a run: at once where it waits, soon where it goes on",
        description="One that has ended stays as it is. `status` says what became of it.",
        request=None,
        parameters=[
            OpenApiParameter(
                "action",
                enum=CancelAction.values,
                description="`interrupt` (default) keeps what was said; `rollback` takes it out of the thread again.",
            )
        ],
        responses={200: RunSerializer, 404: NOT_FOUND, 422: INVALID},
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def cancel(self, request: Request, pk: str) -> Response:
        run = cancel_run(owner=requester(request), run_id=pk, action=_cancel_action(request))
        return Response(RunSerializer(run).data)

    @extend_schema(
        summary="The run, when it has ended",
        parameters=[OpenApiParameter("timeout", _SECONDS, description="Seconds after which it is shown anyway.")],
        responses={200: RunSerializer, 404: NOT_FOUND, 422: INVALID},
    )
    @action(detail=True, pagination_class=None)
    def wait(self, request: Request, pk: str) -> HttpResponse:
        timeout = read_number(request, "timeout", default=MAX_WAIT, least=0, most=MAX_WAIT)
        run = self._find(request, pk)
        return Later(
            lambda: wait_for_end(run, timeout),
            lambda: RunSerializer(self._find(request, pk)).data,
            stopping=STOPPING,
        )

    @extend_schema(
        summary="Start a run and watch it",
        description=STREAM,
        request=RunBody,
        responses={
            **STREAMED,
            400: BAD_REQUEST,
            404: NOT_FOUND,
            409: CONFLICT,
            422: INVALID,
            429: LIMITED,
        },
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def stream(self, request: Request) -> Response:
        """Answered by `RunStreamConsumer`. This stands here for the documentation, and for servers without ASGI."""
        raise OpenGPTsError(NO_STREAMS, code="not_supported")

    @extend_schema(
        summary="Watch a run, from its beginning or from where you left",
        description=STREAM,
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                {"type": "integer", "minimum": 0, "maximum": 10**19 - 1},
                OpenApiParameter.HEADER,
                description="The id of the last event that was received: the stream goes on after it.",
            )
        ],
        responses={**STREAMED, 404: NOT_FOUND, 422: INVALID},
    )
    @action(detail=True, url_path="stream", pagination_class=None)
    def watch(self, request: Request, pk: str) -> Response:
        """Answered by `RunAgainConsumer`; see `stream`."""
        raise OpenGPTsError(NO_STREAMS, code="not_supported")

    def _find(self, request: Request, pk: str) -> Run:
        return find(Run.objects.owned_by(requester(request)).select_related("owner"), pk, what="Run")


@extend_schema(tags=["runs"])
class ThreadRunsView(GenericAPIView[Run]):
    """The runs of one thread."""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    needs: Needs = {"get": Scope.READ}

    @extend_schema(summary="The runs of a thread, newest first", responses={200: RunSerializer(many=True)})
    def get(self, request: Request, thread_id: str, **kwargs: Any) -> Response:
        thread = find(Thread.objects.owned_by(requester(request)), thread_id, what="Thread")
        runs = Run.objects.owned_by(requester(request)).filter(thread=thread).select_related("owner")
        return self.get_paginated_response(RunSerializer(self.paginate_queryset(runs), many=True).data)


@extend_schema(tags=["runs"])
class CancelThreadRunView(GenericAPIView[Run]):
    """`/runs/{id}/cancel` where official clients look for it."""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    needs: Needs = {"post": Scope.RUN}

    @extend_schema(
        summary="Cancel a run of a thread",
        request=None,
        parameters=[OpenApiParameter("action", enum=CancelAction.values, description="As for `/runs/{id}/cancel`.")],
        responses={200: RunSerializer, 404: NOT_FOUND, 422: INVALID},
    )
    def post(self, request: Request, thread_id: str, run_id: str) -> Response:
        user = requester(request)
        thread = find(Thread.objects.owned_by(user), thread_id, what="Thread")
        run = find(Run.objects.owned_by(user).filter(thread=thread), run_id, what="Run")
        run = cancel_run(owner=user, run_id=str(run.pk), action=_cancel_action(request))
        return Response(RunSerializer(run).data)


def _cancel_action(request: Request) -> CancelAction:
    how = request.query_params.get("action", CancelAction.INTERRUPT)
    if how not in CancelAction.values:
        msg = f"Input should be one of {', '.join(CancelAction.values)}"
        raise Invalid.at("query", "action", msg=msg, value=how)
    return CancelAction(how)
