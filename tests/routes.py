"""Every address that the server answers, read from what answers it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver
from django.views.generic import RedirectView

from opengpts import routing
from runs.streaming.websocket import Nothing

# What Django's view classes answer besides what is written for them.
_OF_EVERY_VIEW = {"options", "head", "trace"}
_PARAMETER = re.compile(r"\(\?P<\w+>[^)]*\)")
# A parameter is called by what it names, whatever the pattern calls it: `/threads/{thread}`.
_COLLECTION = re.compile(r"([a-z-]+)s/\?")


class Route(NamedTuple):
    """One method of one address, as the OpenAPI document writes it."""

    method: str
    path: str


def api_routes() -> set[Route]:
    """The routes of Django's views, but for the admin's, and those of the consumers of HTTP."""
    views = {
        Route(method, path)
        for path, pattern in _patterns(get_resolver().url_patterns)
        if not path.startswith("/admin")
        for method in _methods(pattern.callback)
    }
    return views | set(_consumer_routes())


def socket_paths() -> set[str]:
    """The addresses that take a WebSocket, and not only to say that they take none."""
    return {
        path
        for route in _routes_of(routing.websocket)
        if getattr(route.callback, "consumer_class", None) is not Nothing
        for path in _variants(str(route.pattern))
    }


def admin_paths() -> set[str]:
    """The addresses of the admin, parameters as they stand in Django's patterns."""
    return {path for path, _ in _patterns(get_resolver().url_patterns) if path.startswith("/admin")}


def _patterns(patterns: list[Any], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, text)
        else:
            yield from ((path, pattern) for path in _variants(text))


def _consumer_routes() -> Iterator[Route]:
    for route in _routes_of(routing.http):
        consumer = getattr(route.callback, "consumer_class", None)
        for method in getattr(consumer, "methods", ()):
            yield from (Route(method, path) for path in _variants(str(route.pattern)))


def _routes_of(router: Any) -> list[Any]:
    return list(router.routes)


def _variants(pattern: str) -> Iterator[str]:
    """The addresses that a pattern stands for, without the slash that may end them."""
    text = _PARAMETER.sub("?", pattern.replace("/?", "")).replace("^", "").replace("\\.", ".")
    text = _COLLECTION.sub(lambda found: f"{found[1]}s/{{{found[1].replace('-', '_')}}}", text)
    text = "/" + text.removesuffix("$")
    optional = re.search(r"\(\?:([^|)]*)\)\?", text)
    if optional is None:
        yield text
        return
    for part in ("", optional[1]):
        yield text[: optional.start()] + part + text[optional.end() :]


def _methods(view: Any) -> set[str]:
    if actions := getattr(view, "actions", None):
        # DRF adds HEAD when a view was called once.
        return {method.upper() for method in actions if method not in _OF_EVERY_VIEW}
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if kind in (None, RedirectView):
        return {"GET"}
    return {name.upper() for name in kind.http_method_names if name not in _OF_EVERY_VIEW and hasattr(kind, name)}
