"""Requests that are wrong: the routes that take a body, and bodies that none of them may take."""

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
MEGABYTES_10 = 10 * 1024 * 1024
FORM_DATA = b'--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n'


@dataclass(frozen=True)
class Body:
    """`content` as it goes over the wire, and the status that it is answered with."""

    content: bytes
    status: int = 422
    content_type: str | None = JSON


# No route takes these, whatever it is for.
NO_ROUTE_TAKES = {
    "nothing": Body(b""),
    "broken off": Body(b'{"name": "x", '),
    "two values": Body(b"{} {}"),
    "a trailing comma": Body(b'{"name": "x",}'),
    "single quotes": Body(b"{'name': 'x'}"),
    "null": Body(b"null"),
    "a number": Body(b"1"),
    "a string": Body(b'"x"'),
    "a list": Body(b"[]"),
    "an empty object": Body(b"{}"),
    "not UTF-8": Body(b'{"name": "\xff"}', 400),
    "UTF-16": Body('{"name": "x"}'.encode("utf-16"), 400),
    "a form": Body(b"name=x&config=", content_type="application/x-www-form-urlencoded"),
    "files": Body(FORM_DATA, content_type="multipart/form-data; boundary=b"),
    "NUL between values": Body(b'{"name":\x00"x"}'),
    "NUL as it is in a string": Body(b'{"name": "\x00"}'),
    "an array too deep": Body(b"[" * 100_000),
    "an object too deep": Body(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "10 MB of a string": Body(b'"' + b"x" * MEGABYTES_10 + b'"', 413),
    "10 MB of zeros": Body(bytes(MEGABYTES_10), 413),
}

# Put into a body that is otherwise right, in place of "HERE", these make it wrong.
NO_VALUE = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "an endless number": b"1" * 10_000,
    "half a surrogate pair": rb'"\ud800"',
    "half a surrogate pair as a key": rb'{"\udc00": 1}',
    "nesting": b"[" * 100_000 + b"]" * 100_000,
}


@dataclass(frozen=True)
class Route:
    """A route that takes a body. `body` is a right one; `wrong` are values that its fields cannot have.

    In `path` and `body` stand ASSISTANT and THREAD for the ids of such.
    """

    method: str
    path: str
    body: dict[str, Any]
    required: tuple[str, ...]
    wrong: dict[str, list[Any]]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


NOT_TEXT: list[Any] = [None, 1, True, [], {}, ["x"]]
NOT_A_NAME = [*NOT_TEXT, "x" * 256, "a\0b"]
NOT_AN_OBJECT = [1, "x", True, [], ["x"]]
NOT_MESSAGES = [
    1,
    "x",
    True,
    {},
    {"foo": 1},
    {"messages": None},
    {"messages": 1},
    {"messages": "x"},
    ["x"],
    [1],
    [None],
    [[]],
    [{}],
    [{"type": "human"}],
    [{"content": "x"}],
    [{"type": "zzz", "content": "x"}],
    [{"type": 1, "content": "x"}],
    [{"type": "human", "content": 1}],
    [{"type": "human", "content": {"a": 1}}],
    [{"type": "human", "content": [1]}],
    [{"type": "human", "content": "x", "id": 1}],
    [{"type": "human", "content": "x", "id": "x" * 256}],
    [{"type": "human", "content": "x", "id": "a\0b"}],
    [{"type": "human", "content": "x", "id": ""}],
    [{"type": "human", "content": "x", "additional_kwargs": 1}],
    [{"type": "human", "content": "x", "name": 1}],
    [{"type": "tool", "content": "x"}],
    [{"type": "ai", "content": "x", "tool_calls": [1]}],
    [{"type": "ai", "content": "x", "tool_calls": [{"name": "x", "args": "{"}]}],
    [{"type": "ai", "content": "x", "invalid_tool_calls": [1]}],
    [{"type": "ai", "content": "x", "invalid_tool_calls": [{"name": 1}]}],
    [{"type": "ai", "content": "x", "usage_metadata": {"tokens": 1}}],
    [{"type": "remove"}],
    [{"type": "human", "content": "right"}, {"type": "human", "content": 1}],
]
ASSISTANT_FIELDS: dict[str, list[Any]] = {
    "name": NOT_A_NAME,
    "config": [None, *NOT_AN_OBJECT],
    "public": [None, 2, "x", [], {}],
}
THREAD_FIELDS: dict[str, list[Any]] = {"name": NOT_A_NAME, "assistant_id": NOT_TEXT}
RUN_FIELDS: dict[str, list[Any]] = {
    "thread_id": NOT_TEXT,
    "assistant_id": [1, True, [], {}],
    "input": NOT_MESSAGES,
    "config": [*NOT_AN_OBJECT, {"configurable": 1}, {"configurable": []}],
}
ASSISTANT_BODY = {"name": "x", "config": {"configurable": {"a": "HERE"}}, "public": False}
THREAD_BODY = {"name": "x", "assistant_id": "ASSISTANT", "metadata": "HERE"}
RUN_BODY = {"thread_id": "THREAD", "assistant_id": "ASSISTANT", "input": [], "config": {"configurable": {"a": "HERE"}}}
STATE_BODY = {"values": [{"type": "human", "content": "x", "additional_kwargs": {"a": "HERE"}}]}

ROUTES = [
    Route("POST", "/assistants", ASSISTANT_BODY, ("name", "config"), ASSISTANT_FIELDS),
    Route("PUT", "/assistants/ASSISTANT", ASSISTANT_BODY, ("name", "config"), ASSISTANT_FIELDS),
    Route("POST", "/threads", THREAD_BODY, ("name", "assistant_id"), THREAD_FIELDS),
    Route("PUT", "/threads/THREAD", THREAD_BODY, ("name", "assistant_id"), THREAD_FIELDS),
    Route("POST", "/threads/THREAD/state", STATE_BODY, ("values",), {"values": [None, *NOT_MESSAGES]}),
    Route("POST", "/runs", RUN_BODY, ("thread_id",), RUN_FIELDS),
    Route("POST", "/runs/stream", RUN_BODY, ("thread_id",), RUN_FIELDS),
]


def wrong_values() -> list[tuple[Route, str, Any]]:
    """Each route with each of its fields and each value that the field cannot have."""
    return [(route, field, value) for route in ROUTES for field, values in route.wrong.items() for value in values]


def with_value(body: dict[str, Any], value: bytes) -> bytes:
    """The body as JSON, with `value` for what stands in it as HERE."""
    return json.dumps(body).encode().replace(b'"HERE"', value)
