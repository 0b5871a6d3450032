"""Reads an OpenAPI document from JSON or YAML."""

import json
from typing import Any
from urllib.parse import urljoin

import yaml

from agents.errors import ToolUnavailable
from agents.outgoing.urls import base_of, check_url

# YAML is slow to read, and is written by hand: larger documents come as JSON.
MAX_YAML = 1024 * 1024  # characters
_MAX_DEPTH = 100

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As safe_load, but dates stay text: JSON has none."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_document(source: dict[str, Any] | str) -> dict[str, Any]:
    """The document in `source`. Raises `ToolUnavailable` unless it is OpenAPI 3.0 or 3.1."""
    document = _parsed(source) if isinstance(source, str) else source
    if not isinstance(document, dict):
        raise ToolUnavailable("The OpenAPI document is no object.")
    if "swagger" in document:
        raise ToolUnavailable("The document is Swagger 2, which is not supported. Convert it to OpenAPI 3.")
    if not str(document.get("openapi", "")).startswith("3."):
        raise ToolUnavailable("The document does not say that it is OpenAPI 3.")
    if not isinstance(document.get("paths"), dict):
        raise ToolUnavailable("The OpenAPI document has no paths.")
    return document


def server_of(document: dict[str, Any], *, read_from: str | None) -> str:
    """The address of the document's first server, its variables filled with their defaults.

    `read_from` is where the document came from; without it, a document that names no server of its own raises
    `ToolUnavailable`, as does one whose server is no web address.
    """
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    url, variables = str(first.get("url", "/")), first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    try:
        url = check_url(urljoin(read_from, url) if read_from else url)
    except ValueError:
        raise ToolUnavailable("The OpenAPI document names no server that can be called. Give server_url.") from None
    return base_of(url)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ToolUnavailable("The OpenAPI document is nested too deeply.") from None
    except ValueError:
        return _parsed_yaml(text)


def _parsed_yaml(text: str) -> Any:
    if len(text) > MAX_YAML:
        raise ToolUnavailable(f"The OpenAPI document is no JSON, and YAML may have {MAX_YAML} characters.")
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # nosec B506  # a SafeLoader of ours
    except (yaml.YAMLError, ValueError, RecursionError):
        # The parser's own words may repeat the text.
        raise ToolUnavailable("The OpenAPI document is neither JSON nor YAML.") from None


def _check_events(text: str) -> None:
    """Refuses what grows when it is read: a few aliases of aliases fill the memory."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ToolUnavailable("The OpenAPI document has YAML aliases (*name), which are not supported.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ToolUnavailable("The OpenAPI document is nested too deeply.")
