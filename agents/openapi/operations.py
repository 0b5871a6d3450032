"""The operations of a document, each with the arguments that a model gives."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.names import fit_name, free_name
from agents.openapi.schemas import References, SchemaReader, Unsupported
from agents.outgoing.urls import check_header_name

METHODS = ("get", "head", "post", "put", "patch", "delete")
# Characters of the arguments' schema as JSON. Larger ones are read less deeply.
_MAX_SCHEMA = 12_000
_DEPTHS = (6, 4, 2, 1, 0)
_MAX_PARAMETERS = 100

# OpenAPI says to ignore parameters of these names; credentials are configured and not a model's to give.
_NOT_ARGUMENTS = {"accept", "content-type", "authorization", "cookie", "proxy-authorization"}
_STYLES = {
    "path": ("simple",),
    "header": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
}

Place = Literal["path", "query", "header"]
BodyKind = Literal["json", "form", "text"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a request, and the `argument` that has its value. `as_json`: it is written as JSON.

    `takes_object`: an object is written as its style says; elsewhere it is JSON, whatever the style.
    """

    argument: str
    name: str
    place: Place
    required: bool
    style: str
    explode: bool
    as_json: bool
    takes_object: bool


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: one `argument` is all of it, or else `fields` names the arguments of its properties."""

    media_type: str
    kind: BodyKind
    required: bool
    argument: str | None
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a model may call. `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation as it stands in the document: `id` is its operationId, or its `name` where it has none."""

    id: str
    name: str
    method: str
    path: str
    item: dict[str, Any]
    operation: dict[str, Any]


def list_entries(document: dict[str, Any]) -> Iterator[Entry]:
    """All operations of `document`, not yet read. Each has a name of its own."""
    references = References(document)
    taken: set[str] = set()
    for path, node in document["paths"].items():
        if not isinstance(path, str) or not path.startswith("/"):
            continue
        try:
            item = references.follow(node)
        except Unsupported:
            continue
        for method in METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                given = operation.get("operationId")
                name = _free(given if isinstance(given, str) and given else method + path, taken)
                yield Entry(given if isinstance(given, str) and given else name, name, method, path, item, operation)


def read_operation(document: dict[str, Any], entry: Entry) -> Operation:
    """The operation of `entry`. Raises `Unsupported` for one that cannot be called."""
    for depth in _DEPTHS:
        operation = _Reader(References(document), depth).read(entry)
        if len(json.dumps(operation.schema, default=str)) <= _MAX_SCHEMA:
            break
    return operation


class _Reader:
    """Reads one operation, collecting its arguments."""

    def __init__(self, references: References, depth: int) -> None:
        self._references = references
        self._schemas = SchemaReader(references, depth)
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._taken: set[str] = set()

    def read(self, entry: Entry) -> Operation:
        parameters = tuple(self._parameters(entry))
        body = self._body(entry.operation)
        texts = [entry.operation.get(key) for key in ("summary", "description")]
        description = "\n".join(dict.fromkeys(text.strip() for text in texts if isinstance(text, str)))
        schema = {"type": "object", "properties": self._properties, "required": self._required}
        return Operation(
            entry.name,
            description or f"{entry.method.upper()} {entry.path}",
            entry.method.upper(),
            entry.path,
            parameters,
            body,
            schema,
        )

    def _argument(self, name: str, schema: dict[str, Any], *, required: bool) -> str:
        argument = _free(name, self._taken)
        self._properties[argument] = schema
        if required:
            self._required.append(argument)
        return argument

    def _parameters(self, entry: Entry) -> Iterator[Parameter]:
        declared: dict[tuple[str, str], dict[str, Any]] = {}
        for source in (entry.item, entry.operation):
            listed = source.get("parameters")
            for node in listed[:_MAX_PARAMETERS] if isinstance(listed, list) else ():
                parameter = self._references.follow(node)
                declared[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        for (place, name), parameter in declared.items():
            if read := self._parameter(place, name, parameter):
                yield read
        in_path = {name for place, name in declared if place == "path"}
        if undeclared := set(re.findall(r"\{([^{}]*)\}", entry.path)) - in_path:
            raise Unsupported(f"does not say what {undeclared.pop()!r} in its path is")

    def _parameter(self, place: str, name: str, parameter: dict[str, Any]) -> Parameter | None:
        required = parameter.get("required") is True or place == "path"
        if place == "cookie" and required:
            raise Unsupported("needs a cookie")
        if place not in ("path", "query", "header"):
            return None
        if place == "header":
            try:
                check_header_name(name)
            except ValueError:
                return None
            if name.lower() in _NOT_ARGUMENTS:
                return None
        style = parameter.get("style", _STYLES[place][0])
        if style not in _STYLES[place]:
            raise Unsupported(f"writes its parameter {name!r} in a style that is not supported")
        content = parameter.get("content")
        as_json = isinstance(content, dict) and bool(content)
        schema = next(iter(content.values()), {}) if isinstance(content, dict) and content else parameter
        plain = self._schemas.read(schema.get("schema") if isinstance(schema, dict) else None)
        if isinstance(parameter.get("description"), str):
            plain["description"] = parameter["description"]
        return Parameter(
            self._argument(name, plain, required=required),
            name,
            place,  # type: ignore[arg-type]
            required,
            style,
            parameter.get("explode", style == "form") is True,
            as_json,
            _may_be_object(plain),
        )

    def _body(self, operation: dict[str, Any]) -> Body | None:
        if "requestBody" not in operation:
            return None
        node = self._references.follow(operation["requestBody"])
        required = node.get("required") is True
        content = node.get("content")
        media = {str(name).partition(";")[0].strip().lower(): value for name, value in (content or {}).items()}
        media_type = min(media, key=_preference, default="")
        kind = _kind(media_type)
        if kind is None:
            if required:
                raise Unsupported(f"takes a body of the type {media_type or 'unknown'}, which is not supported")
            return None
        described = media[media_type]
        plain = self._schemas.read(described.get("schema") if isinstance(described, dict) else None)
        properties = plain.get("properties", {})
        if kind == "text" or not _is_flat(plain) or {_fit(name) for name in properties} & self._taken:
            return Body(media_type, kind, required, self._argument("body", plain, required=required))
        needed = set(plain.get("required", ())) if required else set()
        fields = {self._argument(name, schema, required=name in needed): name for name, schema in properties.items()}
        return Body(media_type, kind, required, None, fields)


def _is_flat(schema: dict[str, Any]) -> bool:
    """Whether the properties are all there is to say, so that each can be an argument."""
    return (
        schema.get("type", "object") == "object"
        and "properties" in schema
        and not schema.keys() & {"anyOf", "oneOf", "allOf"}
        and schema.get("additionalProperties", False) is False
    )


def _may_be_object(schema: dict[str, Any]) -> bool:
    """Whether a value of this schema may be an object, as far as it says."""
    kinds = schema.get("type")
    if kinds is not None:
        return "object" in ([kinds] if isinstance(kinds, str) else kinds)
    choices = [choice for key in ("anyOf", "oneOf", "allOf") for choice in schema.get(key, ())]
    return "properties" in schema or any(map(_may_be_object, choices))


def _preference(media_type: str) -> int:
    kind = _kind(media_type)
    return ("json", "form", "text").index(kind) if kind else 3


def _kind(media_type: str) -> BodyKind | None:
    if media_type in ("application/json", "*/*") or media_type.endswith("+json"):
        return "json"
    if media_type == "application/x-www-form-urlencoded":
        return "form"
    return "text" if media_type == "text/plain" else None


def _fit(text: str) -> str:
    return fit_name(text) or "value"


def _free(text: str, taken: set[str]) -> str:
    return free_name(_fit(text), taken)
