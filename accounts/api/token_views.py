"""`/auth/token`: logging in by name and password, where AUTH_TYPE is local."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.api.schemas import PasswordBody, RefreshBody, RevokeBody, TokenPair, VerifyBody
from accounts.logins import check_token, end_login, log_in, refresh_login
from opengpts.api import OK, read_body
from opengpts.errors import NotFound
from opengpts.openapi import INVALID, NOT_FOUND, Problem, Status

REFUSALS = {401: Problem, 404: NOT_FOUND, 422: INVALID}


class _TokenView(APIView):
    """What a request brings in its body is all that counts: nobody need be logged in to log in."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if settings.AUTH_TYPE != "local":
            raise NotFound(f"This server has no logins of its own: its AUTH_TYPE is {settings.AUTH_TYPE}, not local.")
        super().initial(request, *args, **kwargs)


class ObtainView(_TokenView):
    throttle_scope = "login"

    @extend_schema(
        tags=["identity"],
        summary="Log in by name and password",
        description="Where AUTH_TYPE is not local, this and the others under `/auth/token` answer 404.",
        request=PasswordBody,
        responses={200: TokenPair, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, PasswordBody)
        return _pair(log_in(username=body.username, password=body.password))


class RefreshView(_TokenView):
    # Not at the rate of logins: nobody guesses at a token, and wrong passwords of others would keep people out.

    @extend_schema(
        tags=["identity"],
        summary="The next tokens of a login",
        description="A refresh token is good for this once. One that comes again ends the login: it may be stolen.",
        request=RefreshBody,
        responses={200: TokenPair, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        return _pair(refresh_login(token=read_body(request, RefreshBody).refresh))


class VerifyView(_TokenView):
    @extend_schema(
        tags=["identity"],
        summary="Whether a token, access or refresh, is good",
        request=VerifyBody,
        responses={200: Status, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        check_token(token=read_body(request, VerifyBody).token)
        return Response(OK)


class RevokeView(_TokenView):
    @extend_schema(
        tags=["identity"],
        summary="Log out: end a login, or all of them",
        description="Its access tokens end with it, and the streams that were opened by them.",
        request=RevokeBody,
        responses={200: Status, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, RevokeBody)
        end_login(token=body.refresh, all_of_them=body.all)
        return Response(OK)


def _pair(refresh: RefreshToken) -> Response:
    access = refresh.access_token
    pair = TokenPair(
        access=str(access),
        refresh=str(refresh),
        access_expires_at=datetime.fromtimestamp(access["exp"], UTC),
        refresh_expires_at=datetime.fromtimestamp(refresh["exp"], UTC),
    )
    return Response(pair.model_dump(mode="json"), headers={"Cache-Control": "no-store"})
