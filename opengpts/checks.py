"""What `manage.py check --deploy` says of our own settings, beside what Django says of its own.

What cannot be safe anywhere is refused when the server starts: see the settings. This is about what is safe in some
places and not on a network.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_web(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The settings by which a server stands on a network."""
    return [*_identity(), *_origins(), *_logs(), *_outgoing()]


def _identity() -> Iterator[CheckMessage]:
    if settings.AUTH_DEFAULT_USER is not None:
        yield Warning(
            "Requests that do not say who they are from are one default user's.",
            hint="Use opengpts.settings.production.",
            id="opengpts.W001",
        )
    if settings.SESSION_COOKIE_AGE > 90 * 24 * 3600:
        yield Warning("A login lasts longer than 90 days.", hint="Lower SESSION_SECONDS.", id="opengpts.W002")
    if not settings.THROTTLE_LOGIN:
        yield Warning("Passwords can be guessed at.", hint="Set THROTTLE_LOGIN.", id="opengpts.W003")


def _origins() -> Iterator[CheckMessage]:
    if "*" in settings.CORS_ALLOWED_ORIGINS:
        yield Warning(
            "The page of any site may ask this server, with a token or a key that it has.",
            hint="Name the origins in CORS_ALLOWED_ORIGINS.",
            id="opengpts.W004",
        )
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        if unsafe := [origin for origin in getattr(settings, name) if _is_readable_on_the_way(origin)]:
            yield Warning(
                f"{name} has pages that come over plain HTTP, which others can change on the way: {', '.join(unsafe)}.",
                hint="Serve them over HTTPS.",
                id="opengpts.W005",
            )


def _is_readable_on_the_way(origin: str) -> bool:
    url = urlsplit(origin)
    return url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1")


def _logs() -> Iterator[CheckMessage]:
    if settings.LOGGING["root"]["level"] == "DEBUG":
        yield Warning(
            "LOG_LEVEL=DEBUG writes down what users say and what providers are sent.",
            hint="Set LOG_LEVEL to INFO.",
            id="opengpts.W006",
        )


def _outgoing() -> Iterator[CheckMessage]:
    for entry in settings.OUTGOING_ALLOW:
        if entry == "*" or _is_whole_internet(entry):
            yield Warning(
                f"OUTGOING_ALLOW has {entry}: tools may call every address, also those of the network that this server "
                "is in, and of the machine's provider.",
                hint="Name the hosts that tools should reach.",
                id="opengpts.W007",
            )


def _is_whole_internet(entry: str) -> bool:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        return False
    return network.prefixlen == 0 or ip_address("169.254.169.254") in network
