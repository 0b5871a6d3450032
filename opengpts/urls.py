"""Every address that Django answers. Streams are answered by Channels consumers: see `opengpts.routing`."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from opengpts import error_responses, health

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("assistants.urls")),
    path("", include("threads.urls")),
    path("", include("knowledge.urls")),
    path("", include("runs.urls")),
    path("", include("schedules.urls")),
    path("admin/", admin.site.urls),
    re_path(r"^docs/?$", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
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
