"""`/runs`, but for the streams: those are in `runs.consumers`."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from opengpts.api import read_body
from opengpts.auth import requester
from opengpts.errors import OpenGPTsError
from opengpts.lookup import find
from opengpts.openapi import BAD_REQUEST, CONFLICT, INVALID, NOT_FOUND
from runs.executor import executor
from runs.models import Run
from runs.schemas import RunBody, RunSerializer, RunStarted
from runs.services import create_run

STREAM = (
    "Server-sent events: `metadata` with the run's id; `data` with `{messages: […]}`, those of this run so far, the "
    "last one growing; `error` with status_code, message and code; `end`. The run goes on when the client leaves."
)


@extend_schema(tags=["runs"])
@extend_schema_view(
    retrieve=extend_schema(summary="One run, and how far it is", responses={200: RunSerializer, 404: NOT_FOUND}),
    create=extend_schema(
        summary="Start a run in the background",
        request=RunBody,
        responses={200: RunStarted, 400: BAD_REQUEST, 404: NOT_FOUND, 409: CONFLICT, 422: INVALID},
    ),
)
class RunViewSet(GenericViewSet[Run]):
    """Work of an assistant on a thread. One at a time per thread; the others wait their turn."""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    lookup_value_regex = "[^/]+"

    def retrieve(self, request: Request, pk: str) -> Response:
        mine = Run.objects.owned_by(requester(request)).select_related("owner")
        return Response(RunSerializer(find(mine, pk, what="Run")).data)

    def create(self, request: Request) -> Response:
        run = create_run(owner=requester(request), body=read_body(request, RunBody))
        executor.wake()
        return Response(RunStarted(run_id=str(run.pk)).model_dump())

    @extend_schema(
        summary="Start a run and watch it",
        description=STREAM,
        request=RunBody,
        responses={
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description=STREAM),
            400: BAD_REQUEST,
            404: NOT_FOUND,
            409: CONFLICT,
            422: INVALID,
        },
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def stream(self, request: Request) -> Response:
        """Answered by `RunStreamConsumer`. This stands here for the documentation, and for servers without ASGI."""
        raise OpenGPTsError("Streams need an ASGI server, such as uvicorn or daphne.", code="not_supported")
