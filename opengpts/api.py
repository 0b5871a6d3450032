"""What every viewset of the API shares: addresses, ids, lists, bodies."""

from typing import Any, TypeVar

from pydantic import BaseModel
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from opengpts.bodies import parse_body
from opengpts.errors import Invalid

Model = TypeVar("Model", bound=BaseModel)

TOTAL_HEADER = "X-Total-Count"
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1
# What the OpenAPI document says of the query of a list.
PAGE_SCHEMAS = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": MAX_LIMIT},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
}
OK = {"status": "ok"}


class Router(SimpleRouter):
    """Routes that answer with and without the trailing slash, so that no POST is redirected."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


def read_body(request: Request, model: type[Model]) -> Model:
    """The request's body as a `model`. Raises as `parse_body` does."""
    return parse_body(model, request._request.body, request.META.get("CONTENT_TYPE"))


def read_number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """The whole number that the query gives for `name`. Raises `Invalid` for one out of range, or for no number."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        msg = f"Input should be an integer from {least} to {most}"
        raise Invalid.at("query", name, msg=msg, value=text, type="int_range")
    return int(text)


def read_page(request: Request) -> tuple[int, int]:
    """The `limit` and `offset` of a list. Raises `Invalid` for one out of range, or for no number."""
    limit = read_number(request, "limit", default=MAX_LIMIT, least=1, most=MAX_LIMIT)
    return limit, read_number(request, "offset", default=0, least=0, most=MAX_OFFSET)


class HeaderPagination(BasePagination):
    """`limit` and `offset` in the query, the total in the `X-Total-Count` header; the body stays a bare list.

    Without `limit` the whole list is answered, up to `MAX_LIMIT` rows, as the original does.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit, offset = read_page(request)
        rows = list(queryset[offset : offset + limit])
        exhausted = len(rows) < limit and (rows or offset == 0)
        self.total = offset + len(rows) if exhausted else queryset.count()
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data, headers={TOTAL_HEADER: str(self.total)})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {"name": name, "in": "query", "required": False, "schema": schema} for name, schema in PAGE_SCHEMAS.items()
        ]
