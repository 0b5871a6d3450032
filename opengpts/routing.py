"""The addresses that Channels consumers answer; everything else is Django's."""

import django
from channels.routing import URLRouter
from django.urls import re_path

django.setup(set_prefix=False)

from opengpts.handler import ThreadPoolHandler  # noqa: E402  (needs the apps)
from runs.consumers import RunStreamConsumer  # noqa: E402

_django = ThreadPoolHandler()

http = URLRouter(
    [
        re_path(r"^runs/stream/?$", RunStreamConsumer.as_asgi()),
        # ASGI applications, which is what URLRouter takes, where Django means views.
        re_path(r"^(?:ingest|(?:assistants|threads)/[^/]+/documents)/?$", _django.take_upload),  # type: ignore[arg-type]
        re_path(r"", _django),  # type: ignore[arg-type]
    ]
)
