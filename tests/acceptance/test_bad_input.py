"""Wrong requests to every route get the 4xx that says what is wrong; nothing has changed, and the server goes on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import requests

from tests.acceptance.bad_bodies import (
    JSON,
    NO_ROUTE_TAKES,
    NO_VALUE,
    ROUTES,
    Body,
    Route,
    with_value,
    wrong_values,
)
from tests.databases import rows_of
from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer

pytestmark = pytest.mark.acceptance

NOWHERE = "a626c439-23dc-4662-b4cf-59d3212687b4"
NO_IDS = ["not-a-uuid", "1", "%00", "%ff", "..%2f..", "%F0%9F%98%80", "a" * 2000, "a626c439-23dc-4662-b4cf", "null"]
# Each with the methods that it answers.
READABLE = {
    "/": {"GET"},
    "/assistants": {"GET", "POST"},
    "/assistants/public": {"GET"},
    "/assistants/ASSISTANT": {"GET", "PUT", "DELETE"},
    "/threads": {"GET", "POST"},
    "/threads/THREAD": {"GET", "PUT", "DELETE"},
    "/threads/THREAD/state": {"GET", "POST"},
    "/threads/THREAD/history": {"GET"},
    "/threads/THREAD/branches": {"GET"},
    "/runs": {"POST"},
    "/runs/RUN": {"GET", "DELETE"},
    "/threads/THREAD/runs": {"GET"},
    "/runs/stream": {"POST"},
    "/ok": {"GET"},
    "/health": {"GET"},
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")


@dataclass(frozen=True)
class World:
    """A server with something of alice's in it, and nothing of bob's."""

    server: LiveServer
    alice: LiveClient
    bob: LiveClient
    ids: dict[str, str]

    def fill(self, text: str) -> str:
        """`text` with alice's ids for the words that stand for them."""
        for word, own in self.ids.items():
            text = text.replace(word, own)
        return text

    def send(self, method: str, path: str, body: Body, *, chunked: bool = False) -> requests.Response:
        """A request of alice's, with these bytes."""
        headers = {"content-type": body.content_type} if body.content_type else {}
        content: Any = self.fill(body.content.decode("latin-1")).encode("latin-1")
        return self.alice(method, self.fill(path), headers=headers, data=in_pieces(content) if chunked else content)


def in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


@pytest.fixture(scope="module")
def world(module_server: LiveServer) -> World:
    alice, bob = LiveClient(module_server.url), LiveClient(module_server.url, "bob")
    assert bob.get("/threads") == []
    thread = alice.make_thread()
    run = alice.start_run(thread, "hello")
    assert alice.wait_for_run(run)["status"] == "success"
    assistant = alice.get(f"/threads/{thread}")["assistant_id"]
    return World(module_server, alice, bob, {"ASSISTANT": assistant, "THREAD": thread, "RUN": run})


@pytest.fixture(autouse=True)
def _nothing_changed(world: World) -> Iterator[None]:
    """Every row of every table is as it was, and the server works."""
    url = world.server.environment["DATABASE_URL"]
    before = rows_of(url)
    yield
    assert rows_of(url) == before
    assert world.alice.get("/health")["status"] == "ok"
    assert "Traceback" not in world.server.log


def assert_refused(response: requests.Response, *statuses: int) -> None:
    """It is one of these errors, told in the form that all are told in."""
    request = f"{response.request.method} {response.request.path_url[:100]}"
    assert response.status_code in statuses, f"{request}: {response.text[:500]}"
    assert response.headers["content-type"] == JSON
    detail = response.json()["detail"]
    assert detail
    if response.status_code == 422:
        for complaint in detail:
            assert complaint["type"]
            assert complaint["msg"]
            assert complaint["loc"][0] in ("body", "query")


@pytest.mark.parametrize("body", NO_ROUTE_TAKES.values(), ids=NO_ROUTE_TAKES)
def test_bodies_that_no_route_takes(world: World, body: Body) -> None:
    for route, chunked in product(ROUTES, [False, True]):
        assert_refused(world.send(route.method, route.path, body, chunked=chunked), body.status)


@pytest.mark.parametrize("value", NO_VALUE.values(), ids=NO_VALUE)
def test_values_that_no_field_has(world: World, value: bytes) -> None:
    for route in ROUTES:
        assert_refused(world.send(route.method, route.path, Body(with_value(route.body, value))), 422)


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_values_that_a_field_cannot_have(world: World, route: Route) -> None:
    for field, value in [(field, value) for other, field, value in wrong_values() if other is route]:
        response = world.send(route.method, route.path, Body(json.dumps({**route.body, field: value}).encode()))
        assert_refused(response, 422)
        assert response.json()["detail"][0]["loc"][:2] == ["body", field], (field, value)


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_bodies_without_what_is_required(world: World, route: Route) -> None:
    for field in route.required:
        body = {key: value for key, value in route.body.items() if key != field}
        assert_refused(world.send(route.method, route.path, Body(json.dumps(body).encode())), 422)


@pytest.mark.parametrize("content_type", ["text/plain", "text/html; charset=utf-8", "application/xml", "nonsense"])
def test_other_content_types(world: World, content_type: str) -> None:
    for route in ROUTES:
        body = json.dumps(route.body).encode()
        assert_refused(world.send(route.method, route.path, Body(body, content_type=content_type)), 415, 422)


def test_other_methods(world: World) -> None:
    for path, method in product(READABLE, METHODS):
        if method not in READABLE[path]:
            response = world.alice(method, world.fill(path))
            assert_refused(response, 405)
            assert set(response.headers["allow"].split(", ")) >= READABLE[path]


@pytest.mark.parametrize("own_id", [*NO_IDS, NOWHERE])
def test_ids_that_are_none(world: World, own_id: str) -> None:
    for path in READABLE:
        for word in ("ASSISTANT", "THREAD", "RUN"):
            if word in path:
                assert_refused(world.alice("GET", path.replace(word, own_id)), 404)
    for route in ROUTES:
        path = route.path.replace("ASSISTANT", own_id).replace("THREAD", own_id)
        # A client may name what it creates.
        if path != route.path and not (route.method == "PUT" and own_id == NOWHERE):
            assert_refused(world.send(route.method, path, Body(json.dumps(route.body).encode())), 404)
    for kind in ("assistants", "threads"):
        response = world.alice("DELETE", f"/{kind}/{own_id}")
        assert response.json() == {"status": "ok"} if own_id == NOWHERE else response.status_code == 404


@pytest.mark.parametrize("own_id", ["not-a-uuid", "", "\0", "a" * 2000, "\U0001f600", NOWHERE])
def test_bodies_that_name_what_is_not_there(world: World, own_id: str) -> None:
    for route, field in product(ROUTES, ["assistant_id", "thread_id"]):
        if field in route.body:
            body = Body(json.dumps({**route.body, field: own_id}).encode())
            assert_refused(world.send(route.method, route.path, body), 404)


def test_what_is_another_users(world: World) -> None:
    for path in READABLE:
        if any(word in path for word in world.ids):
            assert_refused(world.bob("GET", world.fill(path)), 404)
    for route in ROUTES:
        if route.name != "POST /assistants":
            body = json.loads(world.fill(json.dumps(route.body)))
            assert_refused(world.bob(route.method, world.fill(route.path), body), 404)
    for path in ("/assistants/ASSISTANT", "/threads/THREAD"):
        assert world.bob("DELETE", world.fill(path)).json() == {"status": "ok"}
    for path in ("/assistants", "/assistants/public", "/threads"):
        assert world.bob.get(path) == []


@pytest.mark.parametrize("number", ["x", "-1", "1e3", "", "1.5", "99999999999999999999", "%00", "٣"])
def test_pages_that_are_none(world: World, number: str) -> None:
    for path in (
        "/assistants",
        "/assistants/public",
        "/threads",
        "/threads/THREAD/history",
        "/threads/THREAD/branches",
    ):
        for query in ["limit", "offset"][: 1 if "history" in path else 2]:
            assert_refused(world.alice("GET", f"{world.fill(path)}?{query}={number}"), 422)
        assert_refused(world.alice("GET", f"{world.fill(path)}?limit=0"), 422)


@pytest.mark.parametrize("before", ["%00", "%ff", "\U0001f600", "a\n"])
def test_histories_from_nowhere(world: World, before: str) -> None:
    assert_refused(world.alice("GET", world.fill(f"/threads/THREAD/history?before={before}")), 422)


@pytest.mark.parametrize("checkpoint_id", ["", "%00", "%ff", "\U0001f600", "a\n", NOWHERE])
def test_states_of_nowhere(world: World, checkpoint_id: str) -> None:
    assert_refused(world.alice("GET", world.fill(f"/threads/THREAD/state?checkpoint_id={checkpoint_id}")), 404)


@pytest.mark.parametrize("user", ["x" * 256, '"a\\000b"', '"a\\012b"', "x" * 4000])
def test_users_that_are_none(world: World, user: str) -> None:
    for method, path in [("GET", "/threads"), ("POST", "/assistants"), ("POST", "/runs"), ("POST", "/runs/stream")]:
        response = requests.request(
            method, world.server.url + path, json=ROUTES[0].body, headers={"cookie": f"{COOKIE}={user}"}, timeout=10
        )
        assert_refused(response, 401)


@pytest.mark.parametrize("path", ["/nowhere", "/threads/THREAD/nowhere", "/runs/RUN/nowhere", "//threads", "/%00"])
def test_addresses_that_are_none(world: World, path: str) -> None:
    for method in METHODS:
        assert_refused(world.alice(method, world.fill(path), ROUTES[0].body), 404)
