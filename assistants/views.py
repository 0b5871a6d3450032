"""`/assistants`."""

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from agents.config import parse_config
from agents.graphs import draw_graph
from agents.language_models.catalogue import resolve
from assistants.models import Assistant
from assistants.schemas import AssistantBody, AssistantSerializer
from assistants.services import create_assistant, delete_assistant, put_assistant
from opengpts.api import OK, read_body
from opengpts.auth import ANY_KEY, IdentityIfAny, Needs, Scope, requester
from opengpts.lookup import find, parse_id
from opengpts.openapi import GONE, INVALID, NOT_FOUND

WHAT = "Assistant"


@extend_schema(tags=["assistants"])
@extend_schema_view(
    list=extend_schema(summary="Your assistants, newest first"),
    public=extend_schema(
        summary="The public assistants, newest first; open to everybody",
        responses={200: AssistantSerializer(many=True)},
    ),
    retrieve=extend_schema(summary="One assistant", responses={200: AssistantSerializer, 404: NOT_FOUND}),
    create=extend_schema(
        summary="Create an assistant", request=AssistantBody, responses={200: AssistantSerializer, 422: INVALID}
    ),
    update=extend_schema(
        summary="Replace an assistant, or create it under this id",
        request=AssistantBody,
        responses={200: AssistantSerializer, 404: NOT_FOUND, 422: INVALID},
    ),
    destroy=extend_schema(
        summary="Delete an assistant; its threads stay",
        responses={200: GONE},
    ),
)
class AssistantViewSet(GenericViewSet[Assistant]):
    """What users define and talk to. Public ones can be read and run by everyone, and changed by their owner."""

    queryset = Assistant.objects.none()
    serializer_class = AssistantSerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {
        "list": Scope.READ,
        "public": ANY_KEY,
        "retrieve": Scope.READ,
        "create": Scope.MANAGE,
        "update": Scope.MANAGE,
        "destroy": Scope.MANAGE,
        "graph": Scope.READ,
    }

    def list(self, request: Request) -> Response:
        return self._page(Assistant.objects.owned_by(requester(request)))

    # As in OpenGPTs. Who it is matters for what is shown of their own.
    @action(detail=False, authentication_classes=[IdentityIfAny], permission_classes=[])
    def public(self, request: Request) -> Response:
        return self._page(Assistant.objects.public())

    def retrieve(self, request: Request, pk: str) -> Response:
        visible = Assistant.objects.visible_to(requester(request)).select_related("owner").defer("secrets")
        return Response(self.get_serializer(find(visible, pk, what=WHAT)).data)

    def create(self, request: Request) -> Response:
        body = read_body(request, AssistantBody)
        return Response(self.get_serializer(create_assistant(owner=requester(request), **dict(body))).data)

    def update(self, request: Request, pk: str) -> Response:
        assistant_id = parse_id(pk, what=WHAT)
        body = read_body(request, AssistantBody)
        assistant = put_assistant(owner=requester(request), assistant_id=assistant_id, **dict(body))
        return Response(self.get_serializer(assistant).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_assistant(owner=requester(request), assistant_id=parse_id(pk, what=WHAT))
        return Response(OK)

    @extend_schema(
        summary="The graph that an assistant runs",
        description="Its nodes and edges, as LangGraph's clients draw them. No graph of ours has graphs inside.",
        responses={200: OpenApiTypes.OBJECT, 404: NOT_FOUND},
    )
    @action(detail=True, pagination_class=None)
    def graph(self, request: Request, pk: str) -> Response:
        assistant = find(Assistant.objects.visible_to(requester(request)), pk, what=WHAT)
        config = parse_config(assistant.config)
        return Response(draw_graph(config, resolve(config.model)))

    def _page(self, assistants: QuerySet[Assistant]) -> Response:
        page = self.paginate_queryset(assistants.select_related("owner").defer("secrets"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
