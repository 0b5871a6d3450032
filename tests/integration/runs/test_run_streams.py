"""`GET /runs/{id}/stream`: from wherever the client left, to the same end. And the other addresses of a run."""

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.testing import HttpCommunicator

from opengpts.db import in_database_thread
from opengpts.routing import http
from runs.event_log import event_log
from runs.models import Run
from runs.services import create_run
from runs.streaming.opengpts import watch
from runs.streaming.waiting import wait_for_end
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import LONG, PATIENCE, House, decode, eventually
from tests.services import FakeOpenAI

pytestmark = pytest.mark.django_db(transaction=True)

Event = tuple[str, Any, int | None]
WAYS = ["success", "cancelled", "error"]


async def get_stream(run_id: str, *, user: str = "alice", last_event_id: str | None = None) -> tuple[int, bytes]:
    """The status and the whole body of a request, as the server answers it."""
    headers = [(b"host", b"testserver"), (b"cookie", f"opengpts_user_id={user}".encode())]
    if last_event_id is not None:
        headers.append((b"last-event-id", last_event_id.encode("latin-1")))
    communicator = HttpCommunicator(http, "GET", f"/runs/{run_id}/stream", headers=headers)
    response = await communicator.get_response(timeout=PATIENCE)
    return response["status"], response["body"]


async def watched(run: Run, last: int | None = None, **options: Any) -> list[Event]:
    """The events of such a stream."""
    last_event_id = None if last is None else str(last)
    status, body = await get_stream(str(run.pk), last_event_id=last_event_id, **options)
    assert status == 200
    return decode(body)


async def ended(house: Build, how: str) -> tuple[House, Run, list[Event]]:
    """A run that has ended so, and the stream of one who watched it from its beginning."""
    here = await house()
    await here.run("before")
    text = {"success": "TOKENS:6 DELAY:30", "cancelled": LONG, "error": "RESET"}[how]
    run = await here.start(text)
    watching = asyncio.create_task(here.stream(run))
    if how == "cancelled":
        await here.speaking(run)
        await here.cancel(run)
    row = await here.end_of(run)
    assert row.status == how
    return here, row, await watching


def last_data(events: list[Event]) -> Any:
    return next((data for name, data, _ in reversed(events) if name == "data"), None)


def numbers_of(events: list[Event]) -> list[int]:
    return [number for _, _, number in events if number is not None]


@pytest.mark.parametrize("how", WAYS)
async def test_every_event_has_an_id(house: Build, how: str) -> None:
    _, run, live = await ended(house, how)
    assert live[0] == ("metadata", {"run_id": str(run.pk)}, run.first_seq)
    assert len(numbers_of(live)) == len(live)
    assert numbers_of(live) == sorted(numbers_of(live))
    assert [name for name, _, _ in live if name != "data"] == [
        "metadata",
        *(["error"] if how != "success" else []),
        "end",
    ]


@pytest.mark.parametrize("how", WAYS)
async def test_back_from_every_event_after_its_end(house: Build, how: str) -> None:
    here, run, live = await ended(house, how)
    assert last_data(live)["messages"] == (await here.messages())[2:]
    for last in [None, 0, *numbers_of(live), 10**18]:
        events = await watched(run, last)
        assert [name for name, _, _ in events] == [
            *(["metadata"] if last is None else []),
            "data",
            *(["error"] if how != "success" else []),
            "end",
        ]
        assert last_data(events) == last_data(live)
        assert [data for name, data, _ in events if name == "error"] == [
            data for name, data, _ in live if name == "error"
        ]


async def test_back_from_every_event_while_it_goes_on(house: Build) -> None:
    here = await house()
    run = await here.speak("TOKENS:40 DELAY:25")
    newest = await event_log().last_seq(run.thread_id)
    places = [None, *range(newest + 1)]
    streams = await asyncio.gather(*(here.stream(run, seen=place) for place in places))
    messages = await here.messages()
    for place, events in zip(places, streams, strict=True):
        assert last_data(events)["messages"] == messages
        assert [name for name, _, _ in events][-1] == "end"
        assert [name for name, _, _ in events].count("metadata") == (1 if place is None else 0)
        assert all(number > (place or -1) for number in numbers_of(events))
        assert numbers_of(events) == sorted(numbers_of(events))


async def test_whoever_has_seen_everything_is_told_the_end(house: Build) -> None:
    """The id is the last data's of a run that goes on; nothing is said twice, and nothing is kept back."""
    here = await house()
    run = await here.speak("TOKENS:10 DELAY:100")
    events: list[Event] = []
    seen: int | None = None
    # A client whose connection breaks after each chunk.
    while not any(name == "end" for name, _, _ in events):
        row = await in_database_thread(Run.objects.select_related("thread").get, pk=run.pk)
        stream = watch(row, seen=seen)
        async for chunk in stream:
            if found := decode(chunk):
                events += found
                seen = found[-1][2]
                break
        await stream.aclose()
    assert last_data(events)["messages"] == await here.messages()
    texts = [data["messages"][-1]["content"] for name, data, _ in events if name == "data"]
    assert texts == sorted(texts, key=len)


async def test_a_run_that_was_deleted(house: Build) -> None:
    here, run, _ = await ended(house, "success")
    messages = await here.messages()
    assert (await here.ask("DELETE", f"/runs/{run.pk}")).json() == {"status": "ok"}
    assert await here.messages() == messages
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/wait"), ("POST", "/cancel")]:
        assert (await here.ask(method, f"/runs/{run.pk}{path}")).status_code == 404
    assert (await get_stream(str(run.pk)))[0] == 404
    assert (await here.run("after")).status == "success"


async def test_a_run_whose_thread_is_deleted_while_somebody_watches(house: Build) -> None:
    here = await house()
    run = await here.speak()
    watching = asyncio.create_task(here.stream(run))
    assert (await here.ask("DELETE", f"/threads/{here.thread}")).status_code == 200
    events = await watching
    assert [name for name, _, _ in events][-2:] == ["error", "end"]
    assert events[-2][1]["code"] == "not_found"


async def test_what_cannot_be_watched(house: Build) -> None:
    _, run, _ = await ended(house, "success")
    for run_id, user in [(str(run.pk), "bob"), (str(uuid.uuid4()), "alice"), ("no-id", "alice")]:
        status, body = await get_stream(run_id, user=user)
        assert (status, body) == (404, b'{"detail":"Run not found"}')
    for wrong in ("x", "-1", "1.5", "", "1" * 20, "\u00b2"):
        status, body = await get_stream(str(run.pk), last_event_id=wrong)
        assert status == 422, wrong
        assert b"Last-Event-ID" in body


async def test_a_run_that_waits_can_be_watched(house: Build) -> None:
    here = await house()
    await here.speak("TOKENS:20 DELAY:25")
    waiting = await here.start("second")
    one, two = await asyncio.gather(here.stream(waiting), here.stream(waiting, seen=0))
    assert last_data(one) == last_data(two)
    assert last_data(one)["messages"] == (await here.messages())[2:]
    assert one[0][1] == {"run_id": str(waiting.pk)}


async def test_waiting_for_the_end(house: Build, model: FakeOpenAI) -> None:
    here = await house()
    run = await here.start("TOKENS:10 DELAY:50")
    await wait_for_end(run, PATIENCE)
    assert (await in_database_thread(Run.objects.get, pk=run.pk)).status == "success"
    await wait_for_end(run, PATIENCE)
    stalled = await here.start("STALL")
    async with asyncio.timeout(PATIENCE):
        await wait_for_end(stalled, 0.2)
    await here.cancel(stalled)
    await wait_for_end(stalled, PATIENCE)
    assert (await in_database_thread(Run.objects.get, pk=stalled.pk)).status == "cancelled"
    gone = await here.start("STALL")
    await eventually(lambda: Run.objects.filter(pk=gone.pk, status="running").exists())
    waiting = asyncio.create_task(wait_for_end(gone, PATIENCE))
    await here.ask("DELETE", f"/threads/{here.thread}")
    await waiting


@pytest.mark.parametrize("seconds", ["x", "-1", "3601", ""])
async def test_timeouts_that_are_none(house: Build, seconds: str) -> None:
    here = await house()
    run = await here.run("hello")
    assert (await here.ask("GET", f"/runs/{run.pk}/wait?timeout={seconds}")).status_code == 422


async def test_the_runs_of_a_thread(house: Build) -> None:
    here = await house()
    runs = [await here.run(f"hello {number}") for number in range(3)]
    listed = (await here.ask("GET", f"/threads/{here.thread}/runs")).json()
    assert [run["run_id"] for run in listed] == [str(run.pk) for run in reversed(runs)]
    assert listed[0]["status"] == "success"
    page = await here.ask("GET", f"/threads/{here.thread}/runs?limit=1&offset=1")
    assert [run["run_id"] for run in page.json()] == [str(runs[1].pk)]
    bob = await house(user="bob")
    for thread in (here.thread, str(uuid.uuid4()), "no-id"):
        assert (await bob.ask("GET", f"/threads/{thread}/runs")).status_code == 404


async def test_what_goes_on_cannot_be_deleted(house: Build) -> None:
    here = await house()
    run = await here.start(LONG)
    waiting = await here.start("waits")
    for one in (run, waiting):
        assert (await here.ask("DELETE", f"/runs/{one.pk}")).status_code == 409
    await here.speaking(run)
    await here.cancel(waiting)
    await here.cancel(run)
    await here.end_of(run)
    for one in (run, waiting):
        assert (await here.ask("DELETE", f"/runs/{one.pk}")).status_code == 200
    assert (await here.ask("GET", f"/threads/{here.thread}/runs")).json() == []


async def posting(here: House, text: str, **body: Any) -> Any:
    """The connection of a client that starts a run and watches it."""
    headers = [(b"host", b"testserver"), (b"cookie", b"opengpts_user_id=alice"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/runs/stream", "query_string": b"", "headers": headers}
    client: Any = ApplicationCommunicator(http, scope)  # type: ignore[no-untyped-call]
    given = {"thread_id": here.thread, "input": [{"type": "human", "content": text}], **body}
    await client.send_input({"type": "http.request", "body": json.dumps(given).encode(), "more_body": False})
    return client


@pytest.mark.parametrize("on_disconnect", ["cancel", "continue"])
async def test_a_client_that_leaves_its_stream(house: Build, on_disconnect: str) -> None:
    here = await house()
    client = await posting(
        here, LONG if on_disconnect == "cancel" else "TOKENS:10 DELAY:20", on_disconnect=on_disconnect
    )
    while b"tok0" not in (await client.receive_output(PATIENCE)).get("body", b""):
        continue
    await client.send_input({"type": "http.disconnect"})
    await client.wait(PATIENCE)
    run = await here.end_of(await in_database_thread(Run.objects.select_related("thread").get, thread=here.thread))
    assert run.status == ("cancelled" if on_disconnect == "cancel" else "success")
    assert (await here.said())[-1][1].startswith("tok0 ")


async def test_a_client_that_leaves_while_its_run_is_created(house: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    here = await house()
    creating, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def create_later(**given: Any) -> Run:
        loop.call_soon_threadsafe(creating.set)
        assert go_on.wait(PATIENCE)
        return create_run(**given)

    monkeypatch.setattr("runs.streaming.opengpts.create_run", create_later)
    client = await posting(here, LONG, on_disconnect="cancel")
    await asyncio.wait_for(creating.wait(), PATIENCE)
    await client.send_input({"type": "http.disconnect"})
    # Until the server has heard it.
    while not client.input_queue.empty():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    go_on.set()
    await client.wait(PATIENCE)
    run = await in_database_thread(Run.objects.select_related("thread").get, thread=here.thread)
    assert (await here.end_of(run)).status == "cancelled"
