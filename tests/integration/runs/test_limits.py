"""How much one user may have going on and waiting, and how much the server takes."""

import asyncio
import uuid
from typing import Any

import pytest

from opengpts.db import in_database_thread
from runs.models import Run
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import LONG, eventually
from threads.models import Thread

pytestmark = pytest.mark.django_db(transaction=True)


def count(**which: Any) -> int:
    return Run.objects.filter(**which).count()


async def test_one_user_takes_no_more_than_their_share(house: Build, settings: Any) -> None:
    """The others of theirs wait; another user's do not."""
    settings.RUNS_AT_ONCE_PER_USER = 2
    theirs = [await house() for _ in range(4)]
    runs = [await here.start(LONG) for here in theirs]
    await asyncio.gather(*(here.speaking(run) for here, run in zip(theirs[:2], runs[:2], strict=True)))
    bob = await house(user="bob")
    assert (await bob.run("hello")).status == "success"
    assert await in_database_thread(count, status="running", owner__username="alice") == 2
    await theirs[0].cancel(runs[0])
    await theirs[2].speaking(runs[2])
    assert await in_database_thread(count, status="running") == 2
    for here, run in zip(theirs, runs, strict=True):
        await here.cancel(run)
        assert (await here.end_of(run)).status == "cancelled"
    assert await eventually(lambda: count(status="running") == 0)


@pytest.mark.parametrize("setting", ["RUNS_QUEUED_PER_USER", "RUNS_QUEUED"])
async def test_too_many_that_wait(house: Build, settings: Any, setting: str) -> None:
    setattr(settings, setting, 2)
    here = await house()
    runs = [await here.start(LONG)]
    await here.speaking(runs[0])
    runs += [await here.start("waits"), await here.start("waits")]
    body = {"thread_id": here.thread, "input": []}
    refused = await here.ask("POST", "/runs", body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert list(refused.json()) == ["detail"]
    bob = await house(user="bob")
    other = await bob.ask("POST", "/runs", {"thread_id": bob.thread, "input": [{"role": "user", "content": "hi"}]})
    assert other.status_code == (429 if setting == "RUNS_QUEUED" else 200)
    await here.cancel(runs[1])
    assert (await here.ask("POST", "/runs", body)).status_code == 200
    assert await in_database_thread(count, owner__username="alice", status="pending") == 2


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
async def test_who_takes_the_place_of_those_that_wait_is_let_in(house: Build, settings: Any, strategy: str) -> None:
    settings.RUNS_QUEUED_PER_USER = 2
    here = await house()
    first = await here.start(LONG)
    await here.speaking(first)
    waiting = [await here.start("waits"), await here.start("waits")]
    body = {"thread_id": here.thread, "input": [{"role": "user", "content": "now"}], "multitask_strategy": strategy}
    answer = await here.ask("POST", "/runs", body)
    assert answer.status_code == 200
    run = await in_database_thread(Run.objects.select_related("thread").get, pk=answer.json()["run_id"])
    assert (await here.end_of(run)).status == "success"
    assert await in_database_thread(count, pk__in=[each.pk for each in waiting], status="cancelled") == 2


async def test_a_run_that_is_refused_leaves_no_thread(house: Build, settings: Any) -> None:
    here = await house()
    settings.RUNS_QUEUED = 0
    thread = uuid.uuid4()
    params = {"assistant_id": here.assistant, "input": {"messages": [{"role": "user", "content": "hi"}]}}
    answer = await here.ask("POST", f"/threads/{thread}/commands", {"id": 1, "method": "run.start", "params": params})
    assert answer.status_code == 429
    assert not await in_database_thread(Thread.objects.filter(pk=thread).exists)
