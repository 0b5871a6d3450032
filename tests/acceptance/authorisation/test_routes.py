"""Every route, asked by everybody: who may not is refused, and then sees and changes nothing of alice's."""

from collections.abc import Iterator

import pytest

from tests.acceptance.authorisation.table import TABLE, Case, need_of
from tests.acceptance.authorisation.world import ENDED_KEYS, KEYS, MARK, Asker, World
from tests.routes import Route, api_routes, socket_paths

pytestmark = pytest.mark.acceptance

FILES = [("files", ("a.txt", b"a file"))]
WRITES = ("POST", "PUT", "PATCH", "DELETE")
OTHERS = ("nobody", "expired", *ENDED_KEYS, "stranger", "guest")


def cases() -> Iterator[tuple[Route, Case]]:
    for route, listed in TABLE.items():
        yield from ((route, case) for case in listed)


def send(world: World, who: str, route: Route, case: Case) -> tuple[int, str]:
    """The status, and the body: of a stream that was let in, nothing."""
    asker: Asker = world.askers[who]
    path, body = world.filled(case.path), world.filled(case.body)
    options = {"files": FILES, "data": body} if case.files else {"json": body} if body is not None else {}
    with asker(route.method, path, **options) as response:
        streams = response.headers.get("Content-Type", "").startswith("text/event-stream")
        return response.status_code, "" if streams else response.text


def test_the_table_has_every_route() -> None:
    assert set(TABLE) == api_routes()
    assert all(TABLE.values())
    assert socket_paths() == {"/threads/{thread}/stream", "/threads/{thread}/stream/events"}


@pytest.mark.parametrize("who", OTHERS)
def test_others(world: World, who: str) -> None:
    wrong: list[tuple[object, ...]] = []
    before = world.alices()
    for route, case in cases():
        status, text = send(world, who, route, case)
        if status not in case.status_for(who, need_of(route)):
            wrong.append((*route, case.path, status, text))
        if MARK in text:
            wrong.append((*route, case.path, "shows what is alice's", text))
        if status in (401, 403) and not _challenged(world, who, route, case):
            wrong.append((*route, case.path, status, "says not how to log in", text))
        if route.method in WRITES and world.alices() != before:
            wrong.append((*route, case.path, "changed what is alice's", text))
            before = world.alices()
    assert wrong == []


def _challenged(world: World, who: str, route: Route, case: Case) -> bool:
    options = {"files": FILES} if case.files else {}
    with world.askers[who](route.method, world.filled(case.path), **options) as response:
        return "WWW-Authenticate" in response.headers


@pytest.mark.parametrize("who", KEYS)
def test_keys_of_the_owner(world: World, who: str) -> None:
    """What a key may not do changes nothing. What it may is done by a person at the end."""
    wrong: list[tuple[object, ...]] = []
    for route, case in cases():
        allowed = case.status_for(who, need_of(route))
        if route.method in WRITES and allowed != {403}:
            continue
        status, text = send(world, who, route, case)
        if status not in allowed:
            wrong.append((*route, case.path, status, text))
    assert wrong == []


def test_the_owner(world: World) -> None:
    """Last, for it deletes all."""
    wrong = []
    for route, case in cases():
        status, text = send(world, "owner", route, case)
        if status not in case.status_for("owner", need_of(route)):
            wrong.append((*route, case.path, status, text))
    assert wrong == []
