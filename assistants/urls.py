from django.urls import re_path

from assistants.catalogue_views import list_models, list_tools
from assistants.image_views import show_image
from assistants.views import AssistantViewSet
from opengpts.api import Router

router = Router()
router.register("assistants", AssistantViewSet, basename="assistant")
urlpatterns = [
    re_path(r"^models/?$", list_models, name="models"),
    re_path(r"^tools/?$", list_tools, name="tools"),
    re_path(r"^media/images/(?P<name>[^/]+)$", show_image, name="image"),
    *router.urls,
]
