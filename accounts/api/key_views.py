"""`/api-keys`: what programs act for a user with."""

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.schemas import APIKeySerializer, KeyBody, NewAPIKeySerializer
from accounts.keys import create_api_key, revoke_api_key
from accounts.models import APIKey
from opengpts.api import OK, read_body
from opengpts.auth import PEOPLE, Needs, Scope, requester
from opengpts.lookup import parse_id
from opengpts.openapi import CONFLICT, INVALID, NOT_FOUND, Problem, Status

WHAT = "API key"


@extend_schema(tags=["identity"])
@extend_schema_view(
    list=extend_schema(summary="Your API keys, newest first", description="Those that were revoked, too."),
    create=extend_schema(
        summary="Make an API key, which is shown this once",
        request=KeyBody,
        responses={200: NewAPIKeySerializer, 403: Problem, 409: CONFLICT, 422: INVALID},
    ),
    destroy=extend_schema(
        summary="Revoke an API key, which is good for nothing from then on",
        description="It stays in the list, with the time at which that was done.",
        responses={200: Status, 403: Problem, 404: NOT_FOUND},
    ),
)
class APIKeyViewSet(GenericViewSet[APIKey]):
    """Keys are seen by their owner only. No key makes or revokes keys."""

    queryset = APIKey.objects.none()
    serializer_class = APIKeySerializer
    lookup_value_regex = "[^/]+"
    needs: Needs = {"list": Scope.READ, "create": PEOPLE, "destroy": PEOPLE}

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(APIKey.objects.owned_by(requester(request)))
        return self.get_paginated_response(APIKeySerializer(page, many=True).data)

    def create(self, request: Request) -> Response:
        body = read_body(request, KeyBody)
        key, token = create_api_key(owner=requester(request), **dict(body), at_most=settings.API_KEYS_PER_USER)
        return Response({**APIKeySerializer(key).data, "key": token}, headers={"Cache-Control": "no-store"})

    def destroy(self, request: Request, pk: str) -> Response:
        revoke_api_key(owner=requester(request), key_id=parse_id(pk, what=WHAT))
        return Response(OK)
