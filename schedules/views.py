"""`/schedules`."""

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from opengpts.api import OK, read_body
from opengpts.auth import Needs, Scope, requester
from opengpts.lookup import find, parse_id
from opengpts.openapi import BAD_REQUEST, CONFLICT, GONE, INVALID, NOT_FOUND
from schedules.models import Schedule
from schedules.schemas import ScheduleBody, ScheduleSerializer
from schedules.services import create_schedule, delete_schedule, put_schedule

WHAT = "Schedule"


@extend_schema(tags=["schedules"])
@extend_schema_view(
    list=extend_schema(summary="Your schedules, newest first"),
    retrieve=extend_schema(summary="One schedule", responses={200: ScheduleSerializer, 404: NOT_FOUND}),
    create=extend_schema(
        summary="Have an assistant run on a thread at certain times",
        request=ScheduleBody,
        responses={200: ScheduleSerializer, 400: BAD_REQUEST, 404: NOT_FOUND, 409: CONFLICT, 422: INVALID},
    ),
    update=extend_schema(
        summary="Replace a schedule",
        request=ScheduleBody,
        responses={200: ScheduleSerializer, 400: BAD_REQUEST, 404: NOT_FOUND, 422: INVALID},
    ),
    destroy=extend_schema(
        summary="Delete a schedule; its runs stay",
        responses={200: GONE},
    ),
)
class ScheduleViewSet(GenericViewSet[Schedule]):
    """Runs that begin by the clock. A schedule is seen and changed by the owner of its thread only."""

    queryset = Schedule.objects.none()
    serializer_class = ScheduleSerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {
        "list": Scope.READ,
        "retrieve": Scope.READ,
        "create": Scope.MANAGE,
        "update": Scope.MANAGE,
        "destroy": Scope.MANAGE,
    }

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(Schedule.objects.owned_by(requester(request)).select_related("owner"))
        return self.get_paginated_response(ScheduleSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        mine = Schedule.objects.owned_by(requester(request)).select_related("owner")
        return Response(ScheduleSerializer(find(mine, pk, what=WHAT)).data)

    def create(self, request: Request) -> Response:
        body = read_body(request, ScheduleBody)
        schedule = create_schedule(owner=requester(request), body=body, at_most=settings.SCHEDULES_PER_USER)
        return Response(ScheduleSerializer(schedule).data)

    def update(self, request: Request, pk: str) -> Response:
        schedule_id = parse_id(pk, what=WHAT)
        body = read_body(request, ScheduleBody)
        schedule = put_schedule(owner=requester(request), schedule_id=schedule_id, body=body)
        return Response(ScheduleSerializer(schedule).data)

    def destroy(self, request: Request, pk: str) -> Response:
        delete_schedule(owner=requester(request), schedule_id=parse_id(pk, what=WHAT))
        return Response(OK)
