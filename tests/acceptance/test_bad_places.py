"""Each place of each operation in the OpenAPI document, with each value that it cannot have: the 4xx that says so.

What is answered stands in `bad_answers.json`, one table for both databases and both web servers. After a change that is
meant, `WRITE_BAD_ANSWERS=1 pytest tests/acceptance/test_bad_places.py` writes it anew: read what has changed in it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.bad_bodies import JSON, NO_ROUTE_TAKES, NO_VALUE, Body, with_value
from tests.acceptance.bad_places import (
    A_FILE,
    ADDRESS,
    END,
    HEADERS,
    OPERATIONS,
    USER,
    USERS,
    WHOLE,
    Form,
    Operation,
    named,
    part,
)
from tests.databases import rows_of
from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

ANSWERS = Path(__file__).parent / "bad_answers.json"
WRITING = bool(os.environ.get("WRITE_BAD_ANSWERS"))
FORM = "multipart/form-data; boundary=b"
# What has nothing to do with what stands in the places.
OPEN = {"GET /assistants/public/"}
NO_ANSWERS = {405, 408, 429}

Case = tuple[str, str, dict[str, Any]]


class World:
    """A server with something of alice's in it."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.alice = LiveClient(server.url)
        thread = self.alice.make_thread()
        run = self.alice.start_run(thread, "hello")
        assert self.alice.wait_for_run(run)["status"] == "success"
        document = self.alice.upload(f"/threads/{thread}/documents", [("a.txt", b"herons")]).json()[0]["document_id"]
        self.alice.wait_for_document(document)
        schedule = self.alice.post("/schedules", {"thread_id": thread, "cron": "0 9 1 1 *"})["schedule_id"]
        assistant = self.alice.get(f"/threads/{thread}")["assistant_id"]
        self.ids = {"ASSISTANT": assistant, "THREAD": thread, "RUN": run, "SCHEDULE": schedule, "DOCUMENT": document}
        self.document = self.alice.get("/openapi.json")

    def fill(self, text: str) -> str:
        """`text` with alice's ids for the words that stand for them."""
        for word, own in self.ids.items():
            text = text.replace(word, own)
        return text

    def rows(self) -> Any:
        return rows_of(self.server.environment["DATABASE_URL"])


@pytest.fixture(scope="module")
def world(module_server: LiveServer) -> World:
    return World(module_server)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Any]]:
    """What is answered to each operation: by place and value."""
    table: dict[str, Any] = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
    yield table
    if WRITING:
        ANSWERS.write_text(_object([f"{json.dumps(name)}: {_lines(told)}" for name, told in sorted(table.items())]))


def _lines(told: dict[str, Any]) -> str:
    """A line for each answer."""
    return _object([f"  {json.dumps(key)}: {json.dumps(said, ensure_ascii=False)}" for key, said in told.items()])


def _object(members: list[str]) -> str:
    return "{\n" + ",\n".join(members) + "\n}"


def places_of(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """The places of an operation, as the document has them: parameters, and fields of the body."""
    places = {f"{parameter['in']}.{parameter['name']}" for parameter in operation.get("parameters", [])}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        places |= {f"body.{name}" for name in schema["properties"]}
    return places


def test_every_place_of_every_operation_is_in_the_table(world: World) -> None:
    there = {
        f"{method.upper()} {path}": places_of(world.document, operation)
        for path, operations in world.document["paths"].items()
        for method, operation in operations.items()
    }
    assert {name: set(operation.places) for name, operation in OPERATIONS.items()} == there


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_cannot_stand_in_its_places(world: World, answers: dict[str, Any], name: str) -> None:
    operation = OPERATIONS[name]
    before = world.rows()
    told = {}
    for place, value, request in cases_of(world, name, operation):
        response = requests.request(url_method(name), **request, allow_redirects=False, timeout=60)
        label = f"{place} {value}"
        assert 400 <= response.status_code < 500, (label, response.status_code, response.text[:500])
        assert response.status_code not in NO_ANSWERS, label
        assert response.headers["content-type"] == JSON, label
        assert label not in told
        told[label] = in_short(world, response)
    assert world.rows() == before
    assert world.alice.get("/ok")
    assert "Traceback" not in world.server.log
    if WRITING:
        answers[name] = told
    assert told == {label: said for label, said in answers[name].items() if is_answered(world, label)}


def test_there_are_as_many_as_the_notes_say(answers: dict[str, Any]) -> None:
    """Each operation is tried with some, and those that take bodies with many."""
    tried = {name: len(told) for name, told in answers.items()}
    print(json.dumps({**tried, "all": sum(tried.values())}, indent=1))
    assert set(tried) == set(OPERATIONS)
    assert min(tried.values()) >= 3
    assert all(tried[name] > 40 for name, operation in OPERATIONS.items() if operation.body)


def is_answered(world: World, label: str) -> bool:
    """Whether the application is asked at all: daphne refuses what is too long, and a form of no part, by itself."""
    refused = label.startswith((ADDRESS, HEADERS)) or label.endswith(f": {named(Form(END))}")
    return world.server.server == "uvicorn" or not refused


def url_method(name: str) -> str:
    return name.partition(" ")[0]


def cases_of(world: World, name: str, operation: Operation) -> Iterator[Case]:
    """The requests: which place is wrong, the name of what stands there, and the request itself."""
    right = right_request(world, operation)
    for place, values in operation.places.items():
        for number, value in enumerate(values):
            label = f"{number}: {named(value)}"
            if is_answered(world, label):
                yield place, label, with_wrong(world, name, operation, place, value)
    ways = world.document["paths"][name.partition(" ")[2]][url_method(name).lower()].get("security")
    # What is open to everybody is so to whoever has a name that cannot be.
    for user in USERS if ways and name not in OPEN else []:
        yield USER, named(user), {**right, "headers": {**right["headers"], "cookie": f"{COOKIE}={user}"}}
    if is_answered(world, ADDRESS):
        yield ADDRESS, "17 kB", {**right, "url": f"{right['url']}?x={'x' * 17_000}"}
        yield HEADERS, "65 kB", {**right, "headers": {**right["headers"], "x-filler": "x" * 65_536}}
    if operation.body is None:
        return
    for label, body in NO_ROUTE_TAKES.items():
        yield WHOLE, label, {**right, **in_bytes(world, right, body)}
    for label, literal in NO_VALUE.items():
        wrong = Body(with_value(dict(operation.body), literal))
        yield WHOLE, f"somewhere {label}", {**right, **in_bytes(world, right, wrong)}
    for field in ("text/plain", "application/xml", "nonsense"):
        wrong = Body(json.dumps(operation.body).encode(), content_type=field)
        yield WHOLE, f"as {field}", {**right, **in_bytes(world, right, wrong)}


def right_request(world: World, operation: Operation) -> dict[str, Any]:
    headers = {"cookie": f"{COOKIE}=alice"}
    request: dict[str, Any] = {"url": world.server.url + world.fill(operation.path), "headers": headers}
    if operation.form:
        target = part("config", world.fill('{"configurable": {"thread_id": "THREAD"}}').encode())
        return {**request, "headers": {**headers, "content-type": FORM}, "data": A_FILE + target + END}
    if operation.body is not None:
        content = world.fill(json.dumps(operation.body)).encode()
        return {**request, "headers": {**headers, "content-type": JSON}, "data": content}
    return request


def in_bytes(world: World, right: dict[str, Any], body: Body) -> dict[str, Any]:
    headers = {name: value for name, value in right["headers"].items() if name != "content-type"}
    if body.content_type:
        headers["content-type"] = body.content_type
    return {"headers": headers, "data": world.fill(body.content.decode("latin-1")).encode("latin-1")}


def with_wrong(world: World, name: str, operation: Operation, place: str, value: Any) -> dict[str, Any]:
    """The right request, but for this value in that place."""
    right = right_request(world, operation)
    where, _, field = place.partition(".")
    if where == "path":
        template = name.partition(" ")[2].rstrip("/").split("/")
        segments = world.fill(operation.path).split("/")
        segments[template.index(f"{{{field}}}")] = value
        return {**right, "url": world.server.url + "/".join(segments)}
    if where == "query":
        return {**right, "url": f"{right['url']}?{field}={value}"}
    if where == "header":
        return {**right, "headers": {**right["headers"], field: value.encode("latin-1")}}
    if isinstance(value, Form):
        return {**right, "data": value.content}
    if operation.form:
        config = b"" if value is None else part(field, value.encode())
        return {**right, "data": A_FILE + config + END}
    assert operation.body is not None
    body = {**operation.body, field: value}
    if field == "command":
        body.pop("input")
    return {**right, "data": world.fill(json.dumps(body)).encode()}


def in_short(world: World, response: requests.Response) -> list[Any]:
    """The status, and what was said: sentences, with where the fault is. What the client sent is not repeated."""
    body = response.json()
    detail = body["detail"] if "detail" in body else f"{body['error']}: {body['message']}"
    said = detail if isinstance(detail, str) else [complaint_of(item) for item in detail]
    text = json.dumps(said, ensure_ascii=False)
    for word, own in world.ids.items():
        text = text.replace(own, word)
    return [response.status_code, json.loads(text)]


def complaint_of(item: dict[str, Any]) -> str:
    where = ".".join(str(step) for step in item["loc"])
    because = item.get("ctx", {}).get("error", "")
    return f"{where} {item['type']}: {item['msg']}" + (f" ({because})" if because else "")
