from django.urls import re_path

from opengpts.api import Router
from runs.schema_views import config_schema, input_schema, output_schema
from runs.streaming.views import CommandView, ThreadEventsView
from runs.views import CancelThreadRunView, RunViewSet, ThreadRunsView

router = Router()
router.register("runs", RunViewSet, basename="run")
urlpatterns = [
    # Before the router's: to it they would be the ids of runs.
    re_path(r"^runs/config_schema/?$", config_schema, name="config_schema"),
    re_path(r"^runs/input_schema/?$", input_schema, name="input_schema"),
    re_path(r"^runs/output_schema/?$", output_schema, name="output_schema"),
    *router.urls,
    re_path(r"^threads/(?P<thread_id>[^/]+)/runs/?$", ThreadRunsView.as_view(), name="thread_runs"),
    re_path(
        r"^threads/(?P<thread_id>[^/]+)/runs/(?P<run_id>[^/]+)/cancel/?$",
        CancelThreadRunView.as_view(),
        name="thread_run_cancel",
    ),
    re_path(r"^threads/(?P<thread_id>[^/]+)/commands/?$", CommandView.as_view(), name="thread_commands"),
    re_path(r"^threads/(?P<thread_id>[^/]+)/stream/events/?$", ThreadEventsView.as_view(), name="thread_events"),
]
