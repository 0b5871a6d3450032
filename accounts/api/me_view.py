"""`GET /auth/me`."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.schemas import Me
from opengpts.auth import ANY_KEY, Scope, identified, needing


@needing(ANY_KEY)
@extend_schema(tags=["identity"], summary="Who you are, and what you may do", responses={200: Me})
@api_view(["GET"])
def show_me(request: Request) -> Response:
    """For programs that were given a key, and for whoever wonders why they are refused."""
    found = identified(request)
    me = Me(
        user_id=found.user.username,
        identified_by=found.by,
        scopes=[scope for scope in Scope if found.scopes is None or scope in found.scopes],
        expires_at=found.expires_at,
    )
    return Response(me.model_dump(mode="json"))
