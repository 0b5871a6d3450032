"""Writing events while the log is away, forgets what it held, or answers too late."""

import asyncio
import copy
import json
import uuid
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import log_writer
from runs.event_log import Event, LogEntry, LogLost, LogUnavailable
from runs.log_writer import LogWriter
from runs.models import Run
from runs.translation import Translator
from tests.unit.runs.streams import Item, Reader, conversations

pytestmark = pytest.mark.once

# What happens to one attempt to append: it works; the log is away; it is done and that is not heard; all is lost.
FATES = st.lists(st.sampled_from(["done", "done", "away", "unheard", "lost"]), max_size=40)


class Log:
    """A log with a fate for each attempt. Everything that it ever held is kept, as a reader would have it."""

    def __init__(self, fates: Sequence[str]) -> None:
        self._fates = list(fates)
        self._unheard: list[Event] | None = None
        self.entries: list[LogEntry] = []
        self.ever: list[LogEntry] = []
        self.attempts: list[list[Event]] = []
        self.again: list[tuple[list[Event], list[Event]]] = []

    async def append(
        self, thread_id: uuid.UUID, run_id: uuid.UUID, events: Sequence[Event], *, floor: int, continuing: bool = False
    ) -> int:
        await asyncio.sleep(0)
        fate = self._fates.pop(0) if self._fates else "done"
        if self.attempts and self._unheard is not None:
            self.again.append((self._unheard, copy.deepcopy(list(events))))
        if fate == "away":
            self._unheard = copy.deepcopy(list(events)) if self._unheard is None else self._unheard
            raise LogUnavailable
        if fate == "lost":
            self.entries, self._unheard = [], None
        if continuing and not self.entries:
            raise LogLost
        known = self.attempts and self._unheard is not None and self.attempts[-1] == list(events)
        if not known:
            last = self.entries[-1].seq if self.entries else floor
            for number, (method, data) in enumerate(copy.deepcopy(list(events)), start=last + 1):
                self.entries.append(LogEntry(number, run_id, method, data))
                self.ever.append(self.entries[-1])
            self.attempts.append(copy.deepcopy(list(events)))
        if fate == "unheard":
            self._unheard = copy.deepcopy(list(events))
            raise LogUnavailable
        self._unheard = None
        return self.entries[-1].seq


async def write(items: Sequence[Item], log: Any, pauses: Sequence[int] = ()) -> LogWriter:
    """Translate and write it all, with a turn or some of the event loop between the items."""
    translator = Translator("r1")
    run = cast(Run, type("Row", (), {"pk": uuid.UUID(int=1), "thread_id": uuid.UUID(int=2)}))
    writer = LogWriter(log, run, floor=100, restate=translator.restate, written=translator.forget_ended)
    writer.add(("lifecycle", {"event": "running", "run_id": "r1"}))
    for number, (mode, payload) in enumerate(items):
        for event in translator.translate(mode, payload):
            writer.add(event)
        for _ in range(pauses[number % len(pauses)] if pauses else 0):
            await asyncio.sleep(0)
    writer.add(("lifecycle", {"event": "completed", "run_id": "r1"}))
    assert await writer.flush(60)
    return writer


def spoken(entries: Sequence[LogEntry]) -> dict[str, str]:
    """The text and the calls' arguments of each message, as a reader has them who begins where it must."""
    reader = Reader()
    for entry in entries:
        if entry.method == "messages" and entry.data["event"] == "message-start":
            # It may be told again, and again from the beginning.
            reader.current = None
        if reader.current is None and entry.method == "messages" and entry.data["event"] != "message-start":
            continue
        reader.read(entry.method, entry.data)
    return {
        message_id: "".join(block["pieces"] for block in said.blocks.values())
        for message_id, said in reader.said.items()
    }


def updates_of(entries: Sequence[LogEntry]) -> list[str]:
    """The updates, each once, by where it came first."""
    return list(dict.fromkeys(json.dumps(entry.data) for entry in entries if entry.method == "updates"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "FRAME", 0.0)
    monkeypatch.setattr(log_writer, "RETRY", 0.0)
    monkeypatch.setattr(log_writer, "MAX_RETRY", 0.0)


@settings(deadline=None, max_examples=80)
@given(conversations(), st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_nothing_is_lost_in_merging(items: list[Item], pauses: list[int]) -> None:
    calm, hurried = Log([]), Log([])
    asyncio.run(write(items, calm, pauses))
    writer = asyncio.run(write(items, hurried))
    assert spoken(calm.ever) == spoken(hurried.ever)
    assert [e.method for e in calm.ever if e.method != "messages"] == [
        e.method for e in hurried.ever if e.method != "messages"
    ]
    assert [entry.seq for entry in hurried.ever] == list(range(101, 101 + len(hurried.ever)))
    assert writer.last_seq == hurried.ever[-1].seq


@settings(deadline=None, max_examples=80)
@given(conversations(), st.lists(st.integers(0, 6), min_size=1, max_size=8), FATES)
def test_a_log_that_is_away_or_lost(items: list[Item], pauses: list[int], fates: list[str]) -> None:
    calm, log = Log([]), Log(fates)
    asyncio.run(write(items, calm))
    writer = asyncio.run(write(items, log, pauses))
    # One who read the old log and the new one has it all.
    assert spoken(log.ever) == spoken(calm.ever)
    assert log.ever[-1].data["event"] == "completed"
    # Nodes' updates are never lost, nor come in another order; they may come again.
    assert updates_of(log.ever) == updates_of(calm.ever)
    # No number stands for two events, also where a log begins anew.
    by_number: dict[int, tuple[str, Any]] = {}
    for entry in log.ever:
        assert by_number.setdefault(entry.seq, (entry.method, entry.data)) == (entry.method, entry.data)
    assert writer.last_seq == max(by_number) == log.ever[-1].seq


@settings(deadline=None, max_examples=80)
@given(conversations(), st.lists(st.sampled_from(["done", "away", "unheard"]), max_size=30))
def test_what_is_tried_again_is_the_same(items: list[Item], fates: list[str]) -> None:
    log = Log(fates)
    asyncio.run(write(items, log, [1, 3]))
    assert all(before == after for before, after in log.again)
    assert len(log.ever) == sum(map(len, log.attempts))


async def test_flushing_says_whether_it_is_done() -> None:
    log = Log(["away"] * 100_000)
    run = cast(Run, type("Row", (), {"pk": uuid.UUID(int=1), "thread_id": uuid.UUID(int=2)}))
    writer = LogWriter(log, run, floor=0, restate=lambda: ([], []), written=lambda: None)  # type: ignore[arg-type]
    assert await writer.flush(1)
    writer.add(("custom", {"payload": 1}))
    assert not await writer.flush(0.05)
    assert writer.last_seq is None
    await writer.close()
    assert log.ever == []
