"""The addresses that Channels consumers answer; everything else is Django's."""

import django
from channels.routing import URLRouter
from django.urls import re_path

django.setup(set_prefix=False)

from opengpts.handler import ThreadPoolHandler  # noqa: E402  (needs the apps)
from runs.consumers import RunStreamConsumer  # noqa: E402

http = URLRouter(
    [
        re_path(r"^runs/stream/?$", RunStreamConsumer.as_asgi()),
        # An ASGI application, which is what URLRouter takes, where Django means a view.
        re_path(r"", ThreadPoolHandler()),  # type: ignore[arg-type]
    ]
)
