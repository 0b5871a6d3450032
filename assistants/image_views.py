"""The images that tools made."""

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request

from agents.tools.images import read_image
from opengpts.errors import NotFound
from opengpts.openapi import NOT_FOUND

# An image never changes. Where it is kept is for its owner's browser only, no cache between.
IMAGE_CACHING = "private, max-age=31536000, immutable"
# A browser that is sent here may show a picture, and nothing else.
IMAGE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@extend_schema(
    tags=["tools"],
    summary="An image that a tool made",
    description="Whoever knows the address sees it: browsers send no other proof when they load an image.",
    responses={(200, "image/jpeg"): OpenApiResponse(OpenApiTypes.BINARY), 404: NOT_FOUND},
)
@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def show_image(request: Request, name: str) -> HttpResponse:
    """The image of that file name."""
    found = read_image(name)
    if found is None:
        raise NotFound("Image not found")
    data, content_type = found
    headers = {
        "Cache-Control": IMAGE_CACHING,
        "Content-Disposition": "inline",
        "Content-Security-Policy": IMAGE_POLICY,
        # Pages of other sites show the conversations that they may ask for, images included.
        "Cross-Origin-Resource-Policy": "cross-origin" if settings.CORS_ALLOWED_ORIGINS else "same-origin",
    }
    return HttpResponse(data, content_type=content_type, headers=headers)
