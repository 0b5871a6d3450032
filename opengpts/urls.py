"""Every address that Django answers. Streams are answered by Channels consumers: see `opengpts.routing`."""

from csp.decorators import csp_update
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from opengpts import error_responses, health

# With its script at an address of its own, and pictures in its style sheet.
docs = csp_update({"img-src": ["data:"]})(
    SpectacularSwaggerSplitView.as_view(url_name="openapi", template_name="opengpts/docs.html")
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("assistants.urls")),
    path("", include("threads.urls")),
    path("", include("knowledge.urls")),
    path("", include("runs.urls")),
    path("", include("schedules.urls")),
    path("", include("quotas.urls")),
    path("admin/", admin.site.urls),
    re_path(r"^docs/?$", docs, name="docs"),
    re_path(r"^openapi\.json$", SpectacularJSONAPIView.as_view(), name="openapi"),
    re_path(r"^ok/?$", health.ok),
    re_path(r"^health/?$", health.health),
    path("", error_responses.read_only(RedirectView.as_view(pattern_name="docs"))),
    re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
    # Last: with DEBUG on, Django would answer an unknown address with a page of its own.
    re_path(r"", error_responses.not_found),
]

handler404 = error_responses.not_found
handler500 = error_responses.server_error
