"""Runs whose end the event log is not told of: those who watch hear of it from the database."""

import asyncio
from typing import Any

import pytest

from opengpts.db import in_database_thread
from runs.event_log import LogUnavailable, event_log
from runs.models import Run, RunStatus
from runs.streaming.untold import UntoldEnds
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import PATIENCE, eventually
from tests.integration.runs.watcher import Watcher, data_of, is_over
from tests.services import tokens

pytestmark = pytest.mark.django_db(transaction=True)


async def away(*_: Any, **__: Any) -> int:
    raise LogUnavailable("it is away")


async def test_the_log_is_away_when_a_run_ends(house: Build, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.RUN_LOST_AFTER = 1.0
    here = await house()
    async with Watcher(here) as watcher:
        watcher.subscribe()
        run = await here.speak("TOKENS:20 DELAY:20")
        monkeypatch.setattr(event_log(), "append", away)
        frames = await watcher.until_over()
        over = [data_of(frame) for frame in frames if is_over(frame)]
        assert over == [{"event": "completed", "run_id": str(run.pk)}]
        values = [data_of(frame) for frame in frames if frame["method"] == "values"][-1]
        assert values["messages"] == await here.messages()
        assert values["messages"][-1]["content"] == tokens(20)
        # The log is back. What comes next is told by it, and this end not again.
        monkeypatch.undo()
        await here.run("hello")
        frames = await watcher.until_over(count=2)
        assert [data_of(frame)["run_id"] for frame in frames if is_over(frame)].count(str(run.pk)) == 1


async def test_a_run_that_was_given_up(house: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells the log: the process that did it is gone, and whoever found that may have died, too."""
    here = await house()
    async with Watcher(here) as watcher:
        watcher.subscribe(["lifecycle"])
        first = await here.start("STALL")
        await here.told(first, lambda entry: entry.method == "lifecycle")
        waiting = await here.start("never said")
        looked_at = UntoldEnds.look
        looked = asyncio.Event()

        async def look(untold: UntoldEnds) -> Any:
            found = await looked_at(untold)
            looked.set()
            return found

        monkeypatch.setattr(UntoldEnds, "look", look)
        await asyncio.wait_for(looked.wait(), PATIENCE)

        def end() -> int:
            ended = Run.objects.filter(pk=waiting.pk, status=RunStatus.PENDING)
            return ended.update(status=RunStatus.ERROR, error_code="run_lost", error_message="It is lost.")

        assert await in_database_thread(end) == 1
        await here.cancel(first)
        frames = await watcher.until_over(count=2)
        said = {data_of(frame)["run_id"]: data_of(frame) for frame in frames if is_over(frame)}
        assert said[str(waiting.pk)]["code"] == "run_lost"
    assert await eventually(lambda: Run.objects.filter(pk=first.pk, status=RunStatus.CANCELLED).exists())
