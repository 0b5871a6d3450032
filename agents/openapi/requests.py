"""Writes the request of one call, so that no argument can change what is called."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpx

from agents.openapi.operations import Body, Operation, Parameter
from agents.outgoing.redirects import origin
from agents.outgoing.urls import check_header_value
from opengpts.errors import BadRequest

_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request to be made. Names and values of `query` are percent-encoded."""

    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content: bytes | None

    def url(self, server: str) -> str:
        """The address at `server`. Raises `BadRequest` if that would not lie below `server`."""
        base = httpx.URL(server.rstrip("/") + "/")
        query = "&".join(f"{name}={value}" for name, value in self.query)
        text = server.rstrip("/") + self.path + (f"?{query}" if query else "")
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            raise BadRequest("The arguments give no address that can be called.") from None
        if origin(url) != origin(base) or not url.raw_path.startswith(base.raw_path):
            raise BadRequest("The arguments lead to an address outside of the server.")
        return text


def prepare(operation: Operation, arguments: dict[str, Any]) -> Prepared:
    """The request that `arguments` make. Raises `BadRequest` for one that is missing or cannot be sent."""
    path = quote(operation.path, safe="/{}%:@!$&'()*+,;=~")
    query: list[tuple[str, str]] = []
    headers = {"accept": "application/json, text/*;q=0.9, */*;q=0.1"}
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if value is None:
            if parameter.required:
                raise BadRequest(f"The argument {parameter.argument} is missing.")
            continue
        match parameter.place:
            case "path":
                path = path.replace(_slot(parameter.name), _in_path(parameter, value))
            case "query":
                query += _in_query(parameter, value)
            case "header":
                headers[parameter.name.lower()] = _in_header(parameter, value)
    _check_segments(path)
    content = _content(operation.body, arguments) if operation.body else None
    if operation.body and content is not None:
        headers["content-type"] = (
            "application/json" if operation.body.media_type == "*/*" else operation.body.media_type
        )
    return Prepared(path, query, headers, content)


def _content(body: Body, arguments: dict[str, Any]) -> bytes | None:
    if body.argument:
        value = arguments.get(body.argument)
        if value is None and body.required:
            raise BadRequest(f"The argument {body.argument} is missing.")
    else:
        value = {name: arguments[argument] for argument, name in body.fields.items() if argument in arguments}
    if value is None or (not value and not body.required):
        return None
    match body.kind:
        case "json":
            return json.dumps(value).encode()
        case "form" if isinstance(value, dict):
            fields = {
                name: list(map(_text, item)) if isinstance(item, list) else _text(item) for name, item in value.items()
            }
            return urlencode(fields, doseq=True).encode()
        case "text":
            return _text(value).encode("utf-8", "replace")
    raise BadRequest(f"The argument {body.argument} should be an object.")


def _in_path(parameter: Parameter, value: Any) -> str:
    items = [json.dumps(value)] if parameter.as_json else _items(value, explode=parameter.explode)
    text = ",".join(map(_quoted, items))
    pieces = re.split(r"[/\\]", ",".join(items))
    # "/" is encoded, but servers that decode it first would climb. Nothing at all would change the path as well.
    if not text or any(piece.partition(";")[0] in (".", "..") for piece in pieces):
        raise BadRequest(f"The argument {parameter.argument} cannot stand in an address.")
    return text


def _check_segments(path: str) -> None:
    """Two arguments can make a "..", each with a dot."""
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise BadRequest("The arguments lead to an address outside of the server.")


def _slot(name: str) -> str:
    return "{" + quote(name, safe="%:@!$&'()*+,;=~") + "}"


def _in_query(parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    name = _quoted(parameter.name)
    # Each member of an object that explodes is a parameter, of a name that the caller chooses.
    if parameter.as_json or (isinstance(value, dict) and not parameter.takes_object):
        yield name, _quoted(json.dumps(value))
    elif isinstance(value, dict) and parameter.style == "deepObject":
        yield from ((f"{name}%5B{_quoted(str(key))}%5D", _quoted(_text(item))) for key, item in value.items())
    elif isinstance(value, dict) and parameter.explode:
        yield from ((_quoted(str(key)), _quoted(_text(item))) for key, item in value.items())
    elif isinstance(value, list) and parameter.explode:
        yield from ((name, _quoted(_text(item))) for item in value)
    else:
        separator = _SEPARATORS.get(parameter.style, ",")
        yield name, separator.join(map(_quoted, _items(value, explode=False)))


def _in_header(parameter: Parameter, value: Any) -> str:
    text = json.dumps(value) if parameter.as_json else ",".join(_items(value, explode=parameter.explode))
    try:
        return check_header_value(text)
    except ValueError:
        raise BadRequest(f"The argument {parameter.argument} cannot stand in a header.") from None


def _items(value: Any, *, explode: bool) -> list[str]:
    """The pieces of `value` as OpenAPI's style "simple" has them."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict) and explode:
        return [f"{key}={_text(item)}" for key, item in value.items()]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), _text(item))]
    return [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
