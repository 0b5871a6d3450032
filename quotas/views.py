"""`/quotas`."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from opengpts.auth import Needs, Scope, requester
from quotas.allowances import allowance_of
from quotas.ledger import use_on
from quotas.schemas import QuotasSerializer, quotas_shown
from quotas.storage import storage_used


class QuotasView(APIView):
    """What you may use, and have used."""

    needs: Needs = {"get": Scope.READ}

    @extend_schema(
        tags=["quotas"],
        summary="What you may use, what you have used today, and when that begins anew",
        description="A request that goes beyond it gets 429, whose message says which quota it was.",
        responses={200: QuotasSerializer},
    )
    def get(self, request: Request) -> Response:
        user = requester(request)
        shown = quotas_shown(allowance_of(user), use_on(user, timezone.now().date()), storage_used(user.pk))
        return Response(QuotasSerializer(shown).data)
