from typing import Any

from django.urls import re_path

from knowledge.views import AssistantDocumentsViewSet, DocumentViewSet, IngestViewSet, ThreadDocumentsViewSet
from opengpts.api import Router

_LIST: dict[str, Any] = {"get": "list", "post": "create"}

router = Router()
router.register("documents", DocumentViewSet, basename="document")
urlpatterns = [
    *router.urls,
    re_path(r"^assistants/(?P<pk>[^/]+)/documents/?$", AssistantDocumentsViewSet.as_view(_LIST)),
    re_path(r"^threads/(?P<pk>[^/]+)/documents/?$", ThreadDocumentsViewSet.as_view(_LIST)),
    re_path(r"^ingest/?$", IngestViewSet.as_view({"post": "create"})),
]
