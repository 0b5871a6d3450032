"""OpenAPI documents: what is read of them, and the requests that arguments make."""

import json
import time
from typing import Any

import pytest

from agents.errors import ToolUnavailable
from agents.openapi.documents import MAX_YAML, read_document, server_of
from agents.openapi.operations import Operation, list_entries, read_operation
from agents.openapi.requests import Prepared, prepare
from agents.openapi.schemas import Unsupported
from opengpts.errors import BadRequest

pytestmark = pytest.mark.once

SERVER = "https://api.test/v1"


def document(
    operation: dict[str, Any] | None = None, path: str = "/things", method: str = "get", **more: Any
) -> dict[str, Any]:
    """A document with one operation."""
    return {"openapi": "3.1.0", "paths": {path: {method: operation or {}}}, **more}


def read(operation: dict[str, Any], path: str = "/things", method: str = "get", **more: Any) -> Operation:
    described = document(operation, path, method, **more)
    [entry] = list_entries(described)
    return read_operation(described, entry)


def request(operation: Operation, **arguments: Any) -> tuple[str, bytes | None]:
    prepared = prepare(operation, arguments)
    return prepared.url(SERVER).removeprefix(SERVER), prepared.content


def parameter(name: str, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {"type": "string"}, **more}


def with_parameter(path: str = "/things", **more: Any) -> Operation:
    return read({"parameters": [parameter(**more)]}, path)


def with_body(schema: Any, media_type: str = "application/json", **more: Any) -> Operation:
    return read({"requestBody": {"content": {media_type: {"schema": schema}}, **more}}, method="post")


# Documents

YAML = """
openapi: 3.0.3
info: {title: Things, version: 2024-01-31}
servers: [{url: https://api.test/v1}]
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {200: {description: OK}}
"""


def test_json_and_yaml() -> None:
    from_yaml = read_document(YAML)
    assert [entry.id for entry in list_entries(from_yaml)] == ["getThing"]
    assert from_yaml["info"]["version"] == "2024-01-31"
    assert read_document(json.dumps(document())) == read_document(document())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no object"),
        ("[]", "no object"),
        ("just words", "no object"),
        ("{", "neither JSON nor YAML"),
        ("a: b: c", "neither JSON nor YAML"),
        ('{"swagger": "2.0", "paths": {}}', "Swagger 2, which is not supported"),
        ("swagger: '2.0'\npaths: {}", "Swagger 2, which is not supported"),
        ('{"openapi": "4.0.0", "paths": {}}', "does not say that it is OpenAPI 3"),
        ("{}", "does not say that it is OpenAPI 3"),
        ('{"openapi": "3.1.0"}', "no paths"),
        ('{"openapi": "3.1.0", "paths": []}', "no paths"),
        ("!!python/object/apply:os.system ['true']", "neither JSON nor YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("[" * 1_000, "deeply"),
        ("[" * 1_000_000, "deeply|neither"),
        ("- " * 1_000 + "a", "deeply"),
        ("a: \ud800", "neither"),
        ("#" + "x" * MAX_YAML, "YAML may have"),
    ],
)
def test_what_is_no_document(text: str, complaint: str) -> None:
    with pytest.raises(ToolUnavailable, match=complaint):
        read_document(text)


def test_a_bomb_of_aliases() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    begun = time.monotonic()
    with pytest.raises(ToolUnavailable, match="aliases"):
        read_document("\n".join(lines))
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("servers", "read_from", "expected"),
    [
        ([{"url": "https://a.test/v1/"}], None, "https://a.test/v1"),
        ([{"url": "https://a.test/v1?x=y#z"}], None, "https://a.test/v1"),
        ([{"url": "/v2"}], "https://a.test/docs/openapi.json?key=x", "https://a.test/v2"),
        ([{"url": "."}], "https://a.test/docs/openapi.json", "https://a.test/docs"),
        (None, "https://a.test/docs/openapi.json", "https://a.test"),
        ([], "https://a.test/docs/openapi.json", "https://a.test"),
        (
            [
                {
                    "url": "https://{region}.a.test/{base}",
                    "variables": {"region": {"default": "eu"}, "base": {"default": "v3"}},
                }
            ],
            None,
            "https://eu.a.test/v3",
        ),
    ],
)
def test_servers(servers: Any, read_from: str | None, expected: str) -> None:
    assert server_of(document(servers=servers), read_from=read_from) == expected


@pytest.mark.parametrize(
    "servers", [None, [{"url": "/v2"}], [{"url": "ftp://a.test"}], [{"url": "https://u:p@a.test"}], "x"]
)
def test_no_server(servers: Any) -> None:
    with pytest.raises(ToolUnavailable, match="server_url"):
        server_of(document(servers=servers), read_from=None)


# Operations


def test_names() -> None:
    described = {
        "openapi": "3.0.0",
        "paths": {
            "/a/{id}": {
                "get": {},
                "post": {"operationId": "make a thing!"},
                "trace": {},
                "x-other": {},
                "summary": "s",
            },
            "/a_id": {"get": {}, "delete": {"operationId": "make_a_thing"}, "put": {"operationId": "x" * 100}},
            "no-slash": {"get": {}},
            "/nothing": None,
            "/ref": {"$ref": "#/nowhere"},
        },
    }
    entries = list(list_entries(described))
    assert [(entry.id[:20], entry.name) for entry in entries] == [
        ("get_a_id", "get_a_id"),
        ("make a thing!", "make_a_thing"),
        ("get_a_id_2", "get_a_id_2"),
        ("x" * 20, "x" * 64),
        ("make_a_thing", "make_a_thing_2"),
    ]


def test_description_and_arguments() -> None:
    operation = read(
        {
            "summary": "Finds things",
            "description": "Finds things by what they are.",
            "parameters": [
                {"$ref": "#/components/parameters/Limit"},
                parameter("X-Trace", "header", description="For the log"),
                parameter("Authorization", "header", required=True),
                parameter("Content-Length", "header"),
                parameter("session", "cookie"),
                parameter("kind of", "path"),
            ],
        },
        "/things/{kind of}",
        components={
            "parameters": {"Limit": parameter("limit", schema={"$ref": "#/components/schemas/Limit"})},
            "schemas": {"Limit": {"type": "integer", "minimum": 1, "example": 3, "x-y": 1}},
        },
    )
    assert operation.description == "Finds things\nFinds things by what they are."
    assert operation.schema == {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "minimum": 1},
            "X-Trace": {"type": "string", "description": "For the log"},
            "kind_of": {"type": "string"},
        },
        "required": ["kind_of"],
    }


def test_parameters_of_the_path_and_of_the_operation() -> None:
    described = document()
    described["paths"]["/things"] = {
        "parameters": [parameter("a", description="of the path"), parameter("b")],
        "get": {"parameters": [parameter("a", description="of the operation"), parameter("a", "header")]},
    }
    [entry] = list_entries(described)
    operation = read_operation(described, entry)
    assert operation.schema["properties"]["a"]["description"] == "of the operation"
    assert list(operation.schema["properties"]) == ["a", "b", "a_2"]
    prepared = prepare(operation, {"a": "1", "b": "2", "a_2": "3"})
    assert (prepared.query, prepared.headers["a"]) == ([("a", "1"), ("b", "2")], "3")


@pytest.mark.parametrize(
    ("operation", "path", "complaint"),
    [
        ({}, "/things/{id}", "does not say what 'id' in its path is"),
        ({"parameters": [parameter("c", "cookie", required=True)]}, "/things", "needs a cookie"),
        ({"parameters": [parameter("id", "path", style="matrix")]}, "/things/{id}", "style"),
        ({"parameters": [{"$ref": "other.yaml#/Limit"}]}, "/things", "refers to another document"),
        ({"parameters": [{"$ref": "https://a.test/x.yaml#/Limit"}]}, "/things", "refers to another document"),
        ({"parameters": [{"$ref": "#/components/parameters/Nothing"}]}, "/things", "does not have"),
        ({"parameters": [{"$ref": "#/paths/~1things/get/parameters/0"}]}, "/things", "does not have"),
        ({"requestBody": {"required": True, "content": {"application/xml": {}}}}, "/things", "application/xml"),
        ({"requestBody": {"required": True, "content": {}}}, "/things", "unknown"),
    ],
)
def test_what_cannot_be_called(operation: dict[str, Any], path: str, complaint: str) -> None:
    with pytest.raises(Unsupported, match=complaint):
        read(operation, path)


# Schemas


def schema_of(schema: Any, **schemas: Any) -> Any:
    operation = read({"parameters": [{"name": "a", "in": "query", "schema": schema}]}, components={"schemas": schemas})
    return operation.schema["properties"]["a"]


def test_cycles_end() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Node"}, "value": {"type": "string"}},
    }
    assert schema_of({"$ref": "#/components/schemas/Node"}, Node=node) == {
        "type": "object",
        "properties": {"next": {}, "value": {"type": "string"}},
    }
    assert schema_of({"$ref": "#/components/schemas/A"}, A={"$ref": "#/components/schemas/A"}) == {}


def test_what_30_says_otherwise() -> None:
    assert schema_of({"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True}) == {
        "type": ["integer", "null"],
        "minimum": 1,
    }


def test_what_providers_refuse_is_left_out() -> None:
    assert schema_of({"type": "array"}) == {"type": "array", "items": {}}
    assert schema_of({"type": "file", "discriminator": {}, "enum": ["a", {"b": 1}], "default": {"x": 1}}) == {
        "enum": ["a"]
    }
    assert schema_of(True) == schema_of("nonsense") == schema_of({"$ref": "other.json"}) == {}


def test_read_only_properties_are_not_asked_for() -> None:
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
    }
    assert schema_of(schema) == {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_references_that_explode() -> None:
    # Each schema has ten of the next: a document of a few lines, and 10^12 schemas in it.
    schemas = {
        f"S{n}": {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/components/schemas/S{n + 1}"} for i in range(10)},
        }
        for n in range(12)
    }
    begun = time.monotonic()
    schema = schema_of({"$ref": "#/components/schemas/S0"}, **schemas)
    assert time.monotonic() - begun < 1
    assert len(json.dumps(schema)) < 12_000


def test_a_large_schema_is_read_less_deeply() -> None:
    inner = {"type": "object", "properties": {f"inner{i}": {"type": "string"} for i in range(200)}}
    schema = schema_of(
        {"type": "object", "properties": {"a": inner, "b": inner, "c": {"type": "array", "items": inner}}}
    )
    assert schema["properties"] == {
        "a": {"type": "object"},
        "b": {"type": "object"},
        "c": {"type": "array", "items": {}},
    }
    assert schema_of({"type": "object", "properties": {f"p{i}" * 10: {} for i in range(900)}}) == {"type": "object"}


# Requests

OBJECT = {"schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("more", "value", "expected"),
    [
        ({}, "a b&c=d#e/?", "q=a%20b%26c%3Dd%23e%2F%3F"),
        ({}, 1.5, "q=1.5"),
        ({}, True, "q=true"),
        ({}, "", "q="),
        ({}, "ü\ud800", "q=%C3%BC%3F"),
        ({}, ["a", "b,c"], "q=a&q=b%2Cc"),
        ({"explode": False}, ["a", "b,c"], "q=a,b%2Cc"),
        ({"style": "spaceDelimited", "explode": False}, ["a", "b"], "q=a%20b"),
        ({"style": "spaceDelimited"}, ["a", "b"], "q=a%20b"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "q=a%7Cb"),
        (OBJECT, {"a": 1, "b": "c"}, "a=1&b=c"),
        ({"schema": {"anyOf": [{"type": ["object", "null"]}]}}, {"a": 1}, "a=1"),
        ({**OBJECT, "explode": False}, {"a": 1, "b": "c"}, "q=a,1,b,c"),
        ({**OBJECT, "style": "deepObject", "explode": True}, {"a": 1, "b&": "c"}, "q%5Ba%5D=1&q%5Bb%26%5D=c"),
        # No parameters of the caller's choice where the document has no object.
        ({}, {"admin": 1}, "q=%7B%22admin%22%3A%201%7D"),
        ({"style": "deepObject"}, {"admin": 1}, "q=%7B%22admin%22%3A%201%7D"),
        ({"content": {"application/json": {"schema": {}}}}, {"a": [1]}, "q=%7B%22a%22%3A%20%5B1%5D%7D"),
    ],
)
def test_query(more: dict[str, Any], value: Any, expected: str) -> None:
    assert request(with_parameter(name="q", **more), q=value)[0] == f"/things?{expected}"


@pytest.mark.parametrize(
    ("more", "value", "expected"),
    [
        ({}, "a b", "a%20b"),
        ({}, 7, "7"),
        ({}, "a/b?c#d%2e", "a%2Fb%3Fc%23d%252e"),
        ({}, "http://evil.test", "http%3A%2F%2Fevil.test"),
        ({}, "@evil.test", "%40evil.test"),
        ({}, "{x}", "%7Bx%7D"),
        ({}, "...", "..."),
        ({}, "a..b", "a..b"),
        ({}, ["a", "b,c"], "a,b%2Cc"),
        ({}, {"a": 1}, "a,1"),
        ({"explode": True}, {"a": 1}, "a%3D1"),
    ],
)
def test_path(more: dict[str, Any], value: Any, expected: str) -> None:
    operation = with_parameter("/things/{id}/x", name="id", place="path", **more)
    assert request(operation, id=value)[0] == f"/things/{expected}/x"


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../admin", "a/../../admin", "..\\admin", "..;/admin", ["..", "/"], [".."], []]
)
def test_no_argument_climbs_out_of_the_path(value: Any) -> None:
    operation = with_parameter("/things/{id}", name="id", place="path")
    if value == ["..", "/"]:
        assert request(operation, id=value)[0] == "/things/..,%2F"
        return
    with pytest.raises(BadRequest):
        request(operation, id=value)


def test_nor_do_two() -> None:
    operation = read({"parameters": [parameter("a", "path"), parameter("b", "path")]}, "/things/{a}{b}/x")
    assert request(operation, a="1", b="2")[0] == "/things/12/x"
    # Neither is refused by itself where it is not a dot alone.
    with pytest.raises(BadRequest):
        request(operation, a=".", b=".")


@pytest.mark.parametrize("path", ["/../admin", "/a/../../admin", "/%2e%2e/admin", "/%2E./admin"])
def test_a_document_does_not_leave_its_server(path: str) -> None:
    with pytest.raises(BadRequest):
        request(read({}, path))


def test_odd_paths_stay_paths() -> None:
    assert request(read({}, "/a?b=c#d"))[0] == "/a%3Fb=c%23d"
    assert request(read({}, "//evil.test/a"))[0] == "//evil.test/a"
    assert request(read({}, "/@evil.test/a"))[0] == "/@evil.test/a"


@pytest.mark.parametrize("path", ["@evil.test/", ".evil.test/", ":81/", "\\evil.test"])
def test_an_address_outside_of_the_server(path: str) -> None:
    with pytest.raises(BadRequest):
        Prepared(path, [], {}, None).url("https://api.test")


def test_headers() -> None:
    operation = with_parameter(name="X-Ids", place="header")
    assert prepare(operation, {"X-Ids": [1, "b"]}).headers["x-ids"] == "1,b"
    for value in ("a\r\nX-Evil: 1", "a\0", "a\u2028"):
        with pytest.raises(BadRequest, match="cannot stand in a header"):
            prepare(operation, {"X-Ids": value})


def test_missing_arguments() -> None:
    operation = with_parameter(name="q", required=True)
    for arguments in ({}, {"q": None}, {"other": 1}):
        with pytest.raises(BadRequest, match="The argument q is missing"):
            prepare(operation, arguments)


FLAT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "how many": {"type": "integer"}},
    "required": ["name"],
}


def test_a_flat_body_is_given_property_by_property() -> None:
    operation = with_body(FLAT, required=True)
    assert operation.schema["required"] == ["name"]
    assert list(operation.schema["properties"]) == ["name", "how_many"]
    prepared = prepare(operation, {"name": "ü", "how_many": 2})
    assert json.loads(prepared.content or b"") == {"name": "ü", "how many": 2}
    assert prepared.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"oneOf": [FLAT, {"type": "string"}]},
        {**FLAT, "additionalProperties": True},
        {"type": "string"},
        None,
    ],
)
def test_another_is_given_as_a_whole(schema: Any) -> None:
    operation = with_body(schema, required=True)
    assert list(operation.schema["properties"]) == ["body"]
    assert json.loads(prepare(operation, {"body": ["a"]}).content or b"") == ["a"]
    with pytest.raises(BadRequest, match="body is missing"):
        prepare(operation, {})


def test_a_body_that_would_clash_is_given_as_a_whole() -> None:
    operation = read(
        {"parameters": [parameter("name")], "requestBody": {"content": {"application/json": {"schema": FLAT}}}},
        method="post",
    )
    assert list(operation.schema["properties"]) == ["name", "body"]
    assert operation.schema["required"] == []
    assert prepare(operation, {"name": "x"}).content is None


def test_forms() -> None:
    operation = with_body(FLAT, "application/x-www-form-urlencoded")
    prepared = prepare(operation, {"name": ["a&", "b"], "how_many": 2})
    assert prepared.content == b"name=a%26&name=b&how+many=2"
    assert prepared.headers["content-type"] == "application/x-www-form-urlencoded"


def test_texts() -> None:
    operation = with_body({"type": "string"}, "text/plain; charset=utf-8", required=True)
    prepared = prepare(operation, {"body": "ü"})
    assert (prepared.content, prepared.headers["content-type"]) == ("ü".encode(), "text/plain")


def test_json_is_preferred() -> None:
    content = {"text/plain": {}, "application/vnd.api+json": {"schema": FLAT}, "application/x-www-form-urlencoded": {}}
    operation = read({"requestBody": {"content": content}}, method="post")
    assert operation.body is not None
    assert operation.body.media_type == "application/vnd.api+json"
