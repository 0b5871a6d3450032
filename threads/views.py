"""`/threads`, their state and their history."""

import uuid

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from agents.config import assistant_type
from opengpts.api import OK, PAGE_SCHEMAS, TOTAL_HEADER, read_body, read_number, read_page
from opengpts.auth import Needs, Scope, requester
from opengpts.errors import BadRequest, Invalid, NotFound
from opengpts.lookup import find, parse_id
from opengpts.openapi import BAD_REQUEST, GONE, INVALID, LIMITED, NOT_FOUND
from threads.branches import read_branches
from threads.checkpoints import checkpoint_named_in, may_name_checkpoint
from threads.message_input import parse_messages
from threads.models import MAX_CHECKPOINT_ID, Thread
from threads.schemas import StateBody, ThreadBody, ThreadBranches, ThreadHistory, ThreadSerializer, ThreadState
from threads.services import create_thread, delete_thread, post_state, put_thread
from threads.state import read_history, read_state
from threads.wire import encode_branches, encode_history, encode_state

WHAT = "Thread"
HISTORY_LIMIT = 20
MAX_HISTORY_LIMIT = 100
_CHECKPOINT = {"type": "string", "maxLength": MAX_CHECKPOINT_ID, "pattern": "^[ -~]*$"}
_HISTORY = {"type": "integer", "minimum": 1, "maximum": MAX_HISTORY_LIMIT, "default": HISTORY_LIMIT}


@extend_schema(tags=["threads"])
@extend_schema_view(
    list=extend_schema(summary="Your threads, newest first"),
    retrieve=extend_schema(summary="One thread", responses={200: ThreadSerializer, 404: NOT_FOUND}),
    create=extend_schema(
        summary="Start a thread with an assistant",
        request=ThreadBody,
        responses={200: ThreadSerializer, 404: NOT_FOUND, 422: INVALID},
    ),
    update=extend_schema(
        summary="Change a thread's name and assistant, or create it under this id",
        request=ThreadBody,
        responses={200: ThreadSerializer, 404: NOT_FOUND, 422: INVALID},
    ),
    destroy=extend_schema(
        summary="Delete a thread with everything in it",
        responses={200: GONE},
    ),
)
class ThreadViewSet(GenericViewSet[Thread]):
    """Conversations. A thread is seen and changed by its owner only."""

    queryset = Thread.objects.none()
    serializer_class = ThreadSerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {
        "list": Scope.READ,
        "retrieve": Scope.READ,
        "create": Scope.RUN,
        "update": Scope.RUN,
        "destroy": Scope.MANAGE,
        "state": Scope.READ,
        "append_state": Scope.RUN,
        "history": Scope.READ,
        "branches": Scope.READ,
    }

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(Thread.objects.owned_by(requester(request)).select_related("owner"))
        return self.get_paginated_response(ThreadSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        mine = Thread.objects.owned_by(requester(request)).select_related("owner")
        return Response(ThreadSerializer(find(mine, pk, what=WHAT)).data)

    def create(self, request: Request) -> Response:
        body = read_body(request, ThreadBody)
        return Response(ThreadSerializer(create_thread(owner=requester(request), **dict(body))).data)

    def update(self, request: Request, pk: str) -> Response:
        thread_id = parse_id(pk, what=WHAT)
        body = read_body(request, ThreadBody)
        return Response(ThreadSerializer(put_thread(owner=requester(request), thread_id=thread_id, **dict(body))).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_thread(owner=requester(request), thread_id=parse_id(pk, what=WHAT))
        return Response(OK)

    @extend_schema(
        summary="The thread's messages, and what would run next",
        parameters=[OpenApiParameter("checkpoint_id", str, description="The state as it was at this checkpoint.")],
        responses={200: ThreadState, 400: BAD_REQUEST, 404: NOT_FOUND},
    )
    @action(detail=True, pagination_class=None)
    def state(self, request: Request, pk: str) -> HttpResponse:
        thread, kind = self._talking_thread(request, pk)
        checkpoint_id = request.query_params.get("checkpoint_id")
        return _json(encode_state(read_state(thread=thread, checkpoint_id=checkpoint_id), kind))

    @extend_schema(
        summary="Append messages, or replace those whose id is known",
        request=StateBody,
        responses={200: OpenApiResponse({"type": "null"}), 404: NOT_FOUND, 422: INVALID, 429: LIMITED},
    )
    @state.mapping.post
    def append_state(self, request: Request, pk: str) -> HttpResponse:
        thread, _ = self._talking_thread(request, pk)
        body = read_body(request, StateBody)
        checkpoint_id = checkpoint_named_in(body.config, "body", "config")
        messages = parse_messages(body.values, "body", "values")
        post_state(owner=requester(request), thread=thread, messages=messages, checkpoint_id=checkpoint_id)
        # DRF would send nothing at all for None.
        return _json("null")

    @extend_schema(
        summary="The thread's states, newest first",
        parameters=[
            OpenApiParameter(
                "limit", _HISTORY, description=f"How many, up to {MAX_HISTORY_LIMIT}; fewer come where they are large."
            ),
            OpenApiParameter("before", _CHECKPOINT, description="A checkpoint id: only states older than it."),
        ],
        responses={200: ThreadHistory, 400: BAD_REQUEST, 404: NOT_FOUND, 422: INVALID},
    )
    @action(detail=True, pagination_class=None)
    def history(self, request: Request, pk: str) -> HttpResponse:
        thread, kind = self._talking_thread(request, pk)
        limit = read_number(request, "limit", default=HISTORY_LIMIT, least=1, most=MAX_HISTORY_LIMIT)
        before = request.query_params.get("before")
        if before is not None and not may_name_checkpoint(before):
            raise Invalid.at("query", "before", msg="Input should be a checkpoint's id", value=before)
        return _json(encode_history(read_history(thread=thread, limit=limit, before=before), thread, kind))

    @extend_schema(
        summary="The thread's branches, newest first",
        parameters=[OpenApiParameter(name, schema) for name, schema in PAGE_SCHEMAS.items()],
        responses={200: ThreadBranches, 404: NOT_FOUND, 422: INVALID},
    )
    @action(detail=True, pagination_class=None)
    def branches(self, request: Request, pk: str) -> HttpResponse:
        thread = find(Thread.objects.owned_by(requester(request)), pk, what=WHAT)
        limit, offset = read_page(request)
        branches, total = read_branches(thread=thread, limit=limit, offset=offset)
        response = _json(encode_branches(branches, thread))
        response[TOTAL_HEADER] = str(total)
        return response

    def _talking_thread(self, request: Request, pk: str) -> tuple[Thread, str]:
        """The thread, and its assistant's type, which decides the shape of its state."""
        thread_id: uuid.UUID = parse_id(pk, what=WHAT)
        mine = Thread.objects.owned_by(requester(request)).filter(pk=thread_id)
        # The columns that are needed and no more: states are what clients ask for most.
        found = mine.values_list("assistant_id", "assistant__config").first()
        if found is None:
            raise NotFound("Thread not found")
        assistant_id, config = found
        if assistant_id is None:
            raise BadRequest("Thread has no assistant")
        return Thread(pk=thread_id, assistant_id=assistant_id), assistant_type(config)


def _json(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="application/json")
