"""The protocol's events, as one connection is sent them: from wherever it left, each once, in order."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from opengpts.db import in_database_thread
from opengpts.worker import worker_id
from runs.errors import GIVEN_UP, MAX_ATTEMPTS
from runs.event_log import event_log
from runs.event_log.memory import MemoryEventLog
from runs.executors import executor
from runs.models import Run
from tests.client import APIClient
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import LONG, House
from tests.integration.runs.watcher import Watcher, data_of, is_gap, is_over, numbers, text_of
from tests.services import tokens
from threads.models import Thread

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = "TOKENS:8 DELAY:15"
Shorten = Callable[[int], MemoryEventLog]


@pytest.fixture
def short_log(monkeypatch: pytest.MonkeyPatch) -> Shorten:
    """Makes the log one that keeps so many events."""

    def shorten(length: int) -> MemoryEventLog:
        log = MemoryEventLog(length=length, ttl=600)
        for module in ("runs.executors.inline", "runs.streaming.feed", "runs.signals", "runs.streaming.reading"):
            monkeypatch.setattr(f"{module}.event_log", lambda: log)
        monkeypatch.setattr("tests.integration.runs.house.event_log", lambda: log)
        return log

    return shorten


def is_of_log(frame: dict[str, Any]) -> bool:
    """Whether an event stands in the log: snapshots and gaps are made for who is sent them."""
    return str(frame["event_id"]).rpartition(":")[2] == str(frame["seq"])


async def recorded(here: House, *texts: str) -> list[dict[str, Any]]:
    """All events of these runs, as one who was there from the beginning has them."""
    async with Watcher(here) as watcher:
        watcher.subscribe()
        await watcher.settled()
        for number, text in enumerate(texts, start=1):
            await here.run(text)
            await watcher.until_over(count=number)
        return [frame for frame in watcher.frames if is_of_log(frame)]


async def test_everything_in_order(house: Build) -> None:
    here = await house()
    frames = await recorded(here, SHORT, "hello")
    assert numbers(frames) == sorted(set(numbers(frames)))
    assert frames[0]["seq"] == 1
    assert frames[-1]["seq"] == await here.event_seq() == await event_log().last_seq(uuid.UUID(here.thread))
    assert [data_of(frame)["event"] for frame in frames if frame["method"] == "lifecycle"] == [
        "running",
        "completed",
    ] * 2
    values = [data_of(frame)["messages"] for frame in frames if frame["method"] == "values"]
    assert values[-1] == await here.messages()
    assert text_of(frames) == tokens(8) + "Echo: hello"
    for frame in frames:
        assert frame["type"] == "event"
        assert frame["params"]["namespace"] == []
        assert is_of_log(frame)
    assert len({frame["event_id"] for frame in frames}) == len(frames)


async def test_since_each_event(house: Build) -> None:
    """Whoever comes back with the last number that they saw is sent the rest, and nothing again."""
    here = await house()
    frames = await recorded(here, SHORT)
    last = frames[-1]["seq"]
    for since in range(last):
        async with Watcher(here) as watcher:
            watcher.subscribe(since=since)
            rest = await watcher.until_over()
        expected = [frame for frame in frames if frame["seq"] > since]
        # Of values in a batch only the newest are sent.
        assert [frame for frame in rest if frame["method"] != "values"] == [
            frame for frame in expected if frame["method"] != "values"
        ]
        if since < frames[-1]["seq"] - 3:
            values = [data_of(frame) for frame in rest if frame["method"] == "values"]
            assert values[-1]["messages"] == await here.messages()
        assert numbers(rest) == sorted(set(numbers(rest)))
    async with Watcher(here) as watcher:
        watcher.subscribe(since=last)
        assert await watcher.settled() == []
        await here.run("more")
        assert (await watcher.until_over())[0]["seq"] == last + 1


async def test_joining_in_the_middle_of_an_answer(house: Build) -> None:
    here = await house()
    assert (await here.run("before")).status == "success"
    await here.speak("TOKENS:30 DELAY:20")
    async with Watcher(here) as first, Watcher(here) as second:
        first.subscribe()
        second.subscribe(["messages"])
        for watcher in (first, second):
            await watcher.until(lambda frame: data_of(frame).get("event") == "message-finish")
            assert text_of(watcher.frames) == tokens(30)
        frames = await first.until_over()
    # The values first, which have no part of the answer; and nothing of the run before.
    assert frames[0]["method"] == "values"
    assert [m["content"] for m in data_of(frames[0])["messages"]][:2] == ["before", "Echo: before"]
    assert [data_of(frame)["event"] for frame in frames if frame["method"] == "lifecycle"] == ["running", "completed"]


async def test_several_subscriptions_of_one_connection(house: Build) -> None:
    here = await house()
    async with Watcher(here) as watcher:
        watcher.subscribe(["lifecycle"])
        await here.speak("TOKENS:30 DELAY:20")
        watcher.subscribe(["messages", "lifecycle"])
        dropped = watcher.subscribe(["updates"])
        watcher.subscribe(["values", "messages"], since=0)
        assert watcher.feed.unsubscribe(dropped)
        assert watcher.feed.unsubscribe(dropped) is None
        assert watcher.feed.size == 3
        await watcher.until_over()
        frames = await watcher.settled()
    assert {frame["method"] for frame in frames} == {"lifecycle", "messages", "values"}
    # The replays of the late ones come in between; what is new comes once, in order.
    over = next(index for index, frame in enumerate(frames) if is_over(frame))
    finish = [frame for frame in frames if data_of(frame).get("event") == "message-finish"]
    assert len(finish) == 1
    tail = [frame for frame in frames if frame["seq"] > finish[0]["seq"]]
    assert numbers(tail) == sorted(set(numbers(tail)))
    assert frames[over]["seq"] == await here.event_seq()


async def test_a_subscription_from_the_future_harms_no_other(house: Build) -> None:
    """A number that no event has is one of a log that is gone. Others are not kept waiting for it."""
    here = await house()
    await here.run("one")
    async with Watcher(here) as watcher:
        watcher.subscribe(["values"], since=10**15)
        await watcher.until(lambda frame: frame["method"] == "values")
        assert is_gap(watcher.frames[0])
        assert data_of(watcher.frames[1])["messages"] == await here.messages()
        watcher.subscribe(["messages", "lifecycle"])
        await watcher.settled()
        over = sum(map(is_over, watcher.frames))
        await here.run("two")
        frames = await watcher.until_over(count=over + 1)
    assert text_of(frames).endswith("Echo: two")
    assert data_of([frame for frame in frames if frame["method"] == "values"][-1])["messages"] == await here.messages()


async def test_events_that_are_gone(house: Build, short_log: Shorten) -> None:
    log = short_log(10)
    here = await house()
    async with Watcher(here) as witness:
        witness.subscribe(["lifecycle"])
        run = await here.speak("TOKENS:60 DELAY:25 long")
        while await log.last_seq(run.thread_id) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        async with Watcher(here) as watcher:
            watcher.subscribe(since=2)
            frames = await watcher.until_over()
        await witness.until_over()
    assert is_gap(frames[0])
    gap = data_of(frames[0])["payload"]
    assert gap["since"] == 2
    assert gap["until"] >= 30
    assert frames[0]["seq"] == frames[1]["seq"] == gap["until"]
    assert frames[1]["method"] == "values"
    assert [message["content"] for message in data_of(frames[1])["messages"]] == ["TOKENS:60 DELAY:25 long"]
    # Whose beginning is gone, of that the rest is of no use; it comes whole.
    assert text_of(frames) == ""
    whole = [data_of(frame) for frame in frames if frame["method"] == "updates"][-1]["values"]["messages"][-1]
    assert whole["content"] == tokens(60)
    assert data_of([frame for frame in frames if frame["method"] == "values"][-1])["messages"] == await here.messages()
    ids = [frame["event_id"] for frame in frames]
    assert len(ids) == len(set(ids))
    assert [is_gap(frame) for frame in frames].count(True) == 1


async def test_a_client_that_is_too_slow_for_the_log(house: Build, short_log: Shorten) -> None:
    """It reads on after a gap, holds up nobody, and ends with everything that was said."""
    short_log(20)
    here = await house()
    async with Watcher(here) as slow, Watcher(here) as quick:
        for watcher in (slow, quick):
            watcher.subscribe()
            await watcher.settled()
        slow.reading.clear()
        run = await here.start("TOKENS:100 DELAY:20")
        await quick.until_over()
        assert text_of(quick.frames) == tokens(100)
        slow.reading.set()
        frames = await slow.until_over()
        assert any(map(is_gap, frames))
        assert sum(slow.sizes) < 60
        await here.end_of(run)
        after = len(frames)
        await here.run("next")
        frames = (await slow.until_over(count=2))[after:]
    assert text_of(frames) == "Echo: next"
    assert numbers(frames) == sorted(set(numbers(frames)))


async def test_a_log_that_has_expired(house: Build, short_log: Shorten) -> None:
    log = short_log(1000)
    here = await house()
    await here.run("one")
    last = await here.event_seq()
    await log.forget(uuid.UUID(here.thread))
    async with Watcher(here) as knows_all, Watcher(here) as knows_little, Watcher(here) as knows_nothing:
        knows_all.subscribe(since=last)
        knows_little.subscribe(since=last - 3)
        knows_nothing.subscribe()
        gap, values = (await knows_little.until(lambda frame: frame["method"] == "values"))[:2]
        assert is_gap(gap)
        assert data_of(gap)["payload"] == {"since": last - 3, "until": last}
        assert data_of(values)["messages"] == await here.messages()
        assert await knows_all.settled() == []
        await here.run("two")
        for watcher in (knows_all, knows_little, knows_nothing):
            frames = await watcher.until_over()
            assert text_of(frames) == "Echo: two"
            new = [frame for frame in frames if is_of_log(frame)]
            assert new[0]["seq"] == last + 1


async def test_numbers_go_on_over_many_runs(house: Build) -> None:
    here = await house()
    last = 0
    for number in range(6):
        run = await here.start(f"hello {number}" if number % 3 else LONG)
        waiting = await here.start("never said")
        if number % 3 == 0:
            await here.speaking(run)
        await here.cancel(waiting)
        if number % 3 == 0:
            await here.cancel(run)
        row = await here.end_of(run)
        await here.end_of(waiting)
        # The one that was cancelled may have been told of before this one began.
        assert row.first_seq in (last, last + 1)
        entries = await event_log().newest(run.thread_id, 100_000)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        last = await here.event_seq()
        assert last == len(entries)


async def test_where_the_next_events_of_the_same_log_are_anothers(house: Build) -> None:
    """A thread is deleted, and made anew by somebody else: neither hears of the other, and nobody reads its values."""
    alice = await house()
    await alice.run("secret of alice")
    async with Watcher(alice) as watching:
        watching.subscribe()
        await watching.settled()

        def replace() -> None:
            assert alice.client("DELETE", f"/threads/{alice.thread}").status_code == 200
            bob = APIClient("bob")
            body = {"name": "mine", "assistant_id": bob.make_assistant()}
            assert bob("PUT", f"/threads/{alice.thread}", body).status_code == 200

        await in_database_thread(replace)
        bob = await house(user="bob")
        bob.thread = alice.thread
        seen = len(watching.frames)
        async with Watcher(bob, "bob") as other:
            other.subscribe(since=0)
            other.subscribe()
            await bob.run("secret of bob")
            frames = await other.until_over()
        assert "secret of alice" not in str(frames)
        assert text_of(frames) == "Echo: secret of bob"
        assert [data_of(f)["event"] for f in frames if f["method"] == "lifecycle"] == ["running", "completed"]
        # One who subscribes again was refused by whoever asks for it; the feed itself tells nothing either.
        watching.subscribe()
        watching.subscribe(since=1)
        frames = (await watching.settled())[seen:]
        assert "bob" not in str(frames)


async def test_a_gap_in_what_is_now_anothers(house: Build, short_log: Shorten) -> None:
    short_log(10)
    alice = await house()
    await alice.run("secret of alice")
    async with Watcher(alice) as watching:
        watching.subscribe()
        await watching.settled()
        bob = await house(user="bob")

        def hand_over() -> None:
            Thread.objects.filter(pk=alice.thread).update(owner=bob_id)

        bob_id = await in_database_thread(lambda: Thread.objects.values_list("owner_id", flat=True).get(pk=bob.thread))
        await in_database_thread(hand_over)
        bob.thread = alice.thread
        seen = len(watching.frames)
        watching.reading.clear()
        for text in ("secret of bob", "another of bob", "third of bob"):
            await bob.run(text, assistant_id=bob.assistant)
        watching.reading.set()
        frames = (await watching.settled())[seen:]
    assert "bob" not in str(frames)
    assert await in_database_thread(Run.objects.filter(owner_id=bob_id).count) == 3


async def test_no_values_for_a_state_that_is_gone(house: Build) -> None:
    """A run that is rolled back takes its states with it: their events are left out, and the last values are those."""
    here = await house()
    await here.run("before")
    before = await here.messages()
    async with Watcher(here) as watcher:
        watcher.subscribe()
        await watcher.settled()
        watcher.reading.clear()
        run = await here.speak()
        await here.cancel(run, "rollback")
        await here.end_of(run)
        watcher.reading.set()
        frames = await watcher.until_over(count=2)
    assert data_of([frame for frame in frames if frame["method"] == "values"][-1])["messages"] == before


async def test_a_run_that_is_given_up(house: Build) -> None:
    """Its processes died, and none is left to tell of it: whoever takes over from them does."""
    here = await house()
    await executor().stop()
    run = await here.start("hello")
    dead = f"{worker_id().rpartition(':')[0]}:another-life"
    rows = Run.objects.filter(pk=run.pk)
    await in_database_thread(rows.update, status="running", worker=dead, attempts=MAX_ATTEMPTS, first_seq=0)
    async with Watcher(here) as watcher:
        watcher.subscribe()
        executor().ensure_started()
        over = (await watcher.until_over())[-1]
    assert data_of(over) == {
        "event": "failed",
        "run_id": str(run.pk),
        "error": GIVEN_UP.message,
        "code": "run_lost",
    }
    assert over["seq"] == await here.event_seq() == 1
    assert [name for name, _, _ in await here.stream(run)] == ["metadata", "data", "error", "end"]
    assert (await here.run("after")).status == "success"
