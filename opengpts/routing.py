"""The addresses that Channels consumers answer; every other HTTP request is Django's."""

import django
from channels.routing import URLRouter
from django.urls import re_path

django.setup(set_prefix=False)

from opengpts.handler import ThreadPoolHandler  # noqa: E402  (needs the apps)
from runs.streaming.opengpts import RunAgainConsumer, RunStreamConsumer  # noqa: E402
from runs.streaming.thread_events import ThreadEventsConsumer  # noqa: E402
from runs.streaming.websocket import Nothing, ThreadSocket  # noqa: E402

_django = ThreadPoolHandler()

http = URLRouter(
    [
        re_path(r"^runs/stream/?$", RunStreamConsumer.as_asgi()),
        re_path(r"^runs/(?P<run_id>[^/]+)/stream/?$", RunAgainConsumer.as_asgi()),
        # The protocol's own address, and the one that official clients use.
        re_path(r"^threads/(?P<thread_id>[^/]+)/stream(?:/events)?/?$", ThreadEventsConsumer.as_asgi()),
        # ASGI applications, which is what URLRouter takes, where Django means views.
        re_path(r"^(?:ingest|(?:assistants|threads)/[^/]+/documents)/?$", _django.take_upload),  # type: ignore[arg-type]
        re_path(r"", _django),  # type: ignore[arg-type]
    ]
)

websocket = URLRouter(
    [
        re_path(r"^threads/(?P<thread_id>[^/]+)/stream(?:/events)?/?$", ThreadSocket.as_asgi()),
        re_path(r"", Nothing.as_asgi()),
    ]
)
