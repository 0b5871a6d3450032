"""`/runs/config_schema`, `/runs/input_schema` and `/runs/output_schema`: what front ends build their forms from."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from agents import schemas
from opengpts.auth import Scope, needing

JSON_SCHEMA = {200: OpenApiTypes.OBJECT}


@needing(Scope.READ)
@extend_schema(tags=["runs"], summary="The JSON schema of an assistant's config", responses=JSON_SCHEMA)
@api_view(["GET"])
def config_schema(request: Request) -> Response:
    """Every model and tool of the catalogue is in it, available or not: see `/tools` and `/models`."""
    return Response(schemas.config_schema())


@needing(Scope.READ)
@extend_schema(tags=["runs"], summary="The JSON schema of a run's input", responses=JSON_SCHEMA)
@api_view(["GET"])
def input_schema(request: Request) -> Response:
    """For assistants of all types."""
    return Response(schemas.input_schema())


@needing(Scope.READ)
@extend_schema(tags=["runs"], summary="The JSON schema of what a run comes to", responses=JSON_SCHEMA)
@api_view(["GET"])
def output_schema(request: Request) -> Response:
    """For assistants of all types."""
    return Response(schemas.output_schema())
