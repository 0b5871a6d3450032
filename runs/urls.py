from django.urls import re_path

from opengpts.api import Router
from runs.schema_views import config_schema, input_schema, output_schema
from runs.views import RunViewSet

router = Router()
router.register("runs", RunViewSet, basename="run")
urlpatterns = [
    # Before the router's: to it they would be the ids of runs.
    re_path(r"^runs/config_schema/?$", config_schema, name="config_schema"),
    re_path(r"^runs/input_schema/?$", input_schema, name="input_schema"),
    re_path(r"^runs/output_schema/?$", output_schema, name="output_schema"),
    *router.urls,
]
