"""Runs that are cancelled, at every stage of their lives: the row, the thread, the log and the streams agree."""

import asyncio
import threading
from typing import Any

import pytest

from opengpts.db import in_database_thread
from runs.announcing_saver import AnnouncingSaver
from runs.claiming import claim_run
from runs.ending import finish_run
from runs.event_log import event_log
from runs.executors import executor
from runs.models import Run, RunStatus
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import LONG, House, eventually
from tests.integration.runs.talk import CONFIRMED
from tests.services import FakeOpenAI

pytestmark = pytest.mark.django_db(transaction=True)

ACTIONS = pytest.mark.parametrize("action", ["interrupt", "rollback"])
BEFORE = [("human", "before"), ("ai", "Echo: before")]
AGENT = {"type==agent/tools": ["retrieval"]}


async def talked(house: Build, **configurable: Any) -> House:
    """A thread in which there was one turn."""
    here = await house(**configurable)
    assert (await here.run("before")).status == RunStatus.SUCCESS
    return here


async def assert_cancelled(here: House, run: Run) -> Run:
    """The run has ended so everywhere, once."""
    row = await here.end_of(run)
    assert (row.status, row.error_code) in [("cancelled", ""), ("cancelled", "cancelled")]
    lifecycle = [entry.data for entry in await here.events(run) if entry.method == "lifecycle"]
    assert [data["event"] for data in lifecycle][-1:] == ["failed"]
    assert [data["event"] for data in lifecycle].count("failed") == 1
    assert lifecycle[-1]["code"] == "cancelled"
    names = [(name, data) for name, data, _ in await here.stream(run) if name != "data"]
    assert names[0] == ("metadata", {"run_id": str(run.pk)})
    assert names[1][0] == "error"
    assert names[1][1]["code"] == "cancelled"
    assert names[2:] == [("end", None)]
    return row


async def assert_works(here: House) -> None:
    """A new run answers, and everything that was there before it still is."""
    before = await here.said()
    assert (await here.run("after")).status == RunStatus.SUCCESS
    assert await here.said() == [*before, ("human", "after"), ("ai", "Echo: after")]


@ACTIONS
async def test_while_it_waits(house: Build, action: str) -> None:
    here = await talked(house)
    first = await here.speak()
    waiting = await here.start("never said")
    assert (await here.cancel(waiting, action))["status"] == "cancelled"
    await assert_cancelled(here, waiting)
    await here.cancel(first, "rollback")
    await assert_cancelled(here, first)
    assert await here.said() == BEFORE
    await assert_works(here)


@ACTIONS
async def test_while_it_waits_after_its_process_died(house: Build, action: str) -> None:
    here = await talked(house)
    before = await here.rows()
    run = await here.speak()
    # The process stops, so the run waits for another; what it has begun is in the thread.
    await executor().stop()
    row = await in_database_thread(Run.objects.get, pk=run.pk)
    assert (row.status, row.attempts) == (RunStatus.PENDING, 1)
    assert (await here.cancel(run, action))["status"] == "cancelled"
    executor().ensure_started()
    if action == "rollback":
        assert await here.rows() == before
    else:
        assert (await here.said())[:3] == [*BEFORE, ("human", LONG)]
    await assert_works(here)


@ACTIONS
async def test_when_it_is_taken_over_with_the_wish_already_there(house: Build, action: str) -> None:
    """Its process died after it was asked to stop, and before it did."""
    here = await talked(house)
    before = await here.rows()
    run = await here.speak()
    await executor().stop()
    numbers = await here.event_seq()
    await in_database_thread(Run.objects.filter(pk=run.pk).update, cancel_action=action)
    executor().ensure_started()
    await assert_cancelled(here, run)
    messages = [entry.data["event"] for entry in await here.events(run) if entry.method == "messages"]
    assert messages[-1] == "error"
    assert await here.event_seq() == await event_log().last_seq(run.thread_id) > numbers
    if action == "rollback":
        assert await here.rows() == before
    await assert_works(here)


@ACTIONS
async def test_before_the_first_token(house: Build, model: FakeOpenAI, action: str) -> None:
    here = await talked(house)
    before = await here.rows()
    model.forget()
    run = await here.start("STALL")
    await eventually(model.requests)
    assert (await here.cancel(run, action))["status"] in ("running", "cancelled")
    await assert_cancelled(here, run)
    if action == "rollback":
        assert await here.rows() == before
    else:
        assert await here.said() == [*BEFORE, ("human", "STALL")]
    await assert_works(here)


@ACTIONS
async def test_in_the_middle_of_its_answer(house: Build, action: str) -> None:
    here = await talked(house)
    before = await here.rows()
    run = await here.speak()
    await here.cancel(run, action)
    row = await assert_cancelled(here, run)
    assert row.usage
    assert row.usage.output_tokens > 0
    if action == "rollback":
        assert await here.rows() == before
        assert await here.streamed(run) == []
        await assert_works(here)
        return
    [asked, partial] = (await here.messages())[2:]
    assert partial["type"] == "ai"
    assert partial["content"].startswith("tok0 ")
    assert partial["additional_kwargs"] == {"incomplete": "cancelled"}
    assert await here.streamed(run) == [asked, partial]
    updates = [entry.data for entry in await here.events(run) if entry.method == "updates"]
    assert updates[-1]["values"]["messages"] == [partial]
    # Everything that was heard is kept.
    deltas = [
        entry.data["delta"]["text"]
        for entry in await here.events(run)
        if entry.data.get("event") == "content-block-delta"
    ]
    assert "".join(deltas) == partial["content"]
    await assert_works(here)


@ACTIONS
@pytest.mark.parametrize("tool", ["slow", "block"])
@pytest.mark.usefixtures("with_tools")
async def test_in_a_tool(house: Build, action: str, tool: str) -> None:
    here = await talked(house, **AGENT)
    before = await here.rows()
    run = await here.start(f'TOOL:{tool} {{"seconds": 3}}')
    await here.at_tool(run)
    await here.cancel(run, action)
    await assert_cancelled(here, run)
    tools = [entry.data["event"] for entry in await here.events(run) if entry.method == "tools"]
    assert tools == ["tool-started", "tool-error"]
    if action == "rollback":
        assert await here.rows() == before
    else:
        assert [kind for kind, _ in await here.said()][2:] == ["human", "ai"]
    assert (await here.run("after")).status == RunStatus.SUCCESS
    assert (await here.said())[-1] == ("ai", "Echo: after")
    assert (await here.state())["next"] == []


@ACTIONS
async def test_while_it_is_being_ended(house: Build, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    here = await talked(house)
    ending, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def finish_later(**given: Any) -> Any:
        loop.call_soon_threadsafe(ending.set)
        assert go_on.wait(60)
        return finish_run(**given)

    monkeypatch.setattr("runs.execution.finish_run", finish_later)
    run = await here.start("hello")
    await asyncio.wait_for(ending.wait(), 60)
    assert (await here.cancel(run, action))["status"] == "running"
    go_on.set()
    row = await here.end_of(run)
    assert row.status == RunStatus.SUCCESS
    assert await here.said() == [*BEFORE, ("human", "hello"), ("ai", "Echo: hello")]
    assert [entry.data["event"] for entry in await here.events(run) if entry.method == "lifecycle"][-1] == "completed"
    await assert_works(here)


@ACTIONS
async def test_after_its_end(house: Build, action: str) -> None:
    here = await talked(house)
    run = await here.run("hello")
    before = await here.rows()
    numbers = await here.event_seq()
    answer = await here.cancel(run, action)
    assert (answer["status"], answer["finished_at"] is not None) == ("success", True)
    assert await here.rows() == before
    assert await here.event_seq() == numbers


@ACTIONS
@pytest.mark.usefixtures("with_tools")
async def test_while_it_waits_for_a_person(house: Build, action: str) -> None:
    """Such a run has ended: its thread waits."""
    here = await house(**CONFIRMED)
    run = await here.run('TOOL:add {"a": 1, "b": 2}')
    assert run.status == RunStatus.INTERRUPTED
    assert (await here.cancel(run, action))["status"] == "interrupted"
    done = await here.run(command={"resume": {"decisions": [{"type": "approve"}]}})
    assert done.status == RunStatus.SUCCESS
    assert (await here.said())[-1] == ("ai", "Echo: tool said 3")


@pytest.mark.usefixtures("with_tools")
async def test_taking_back_an_approval(house: Build) -> None:
    """What was rolled back was not approved: the thread waits as it did before, and can be told otherwise."""
    here = await house(**CONFIRMED)
    assert (await here.run('TOOL:slow {"seconds": 5}')).status == RunStatus.INTERRUPTED
    before, state = await here.rows(), await here.state()
    run = await here.start(command={"resume": {"decisions": [{"type": "approve"}]}})
    await here.at_tool(run)
    await here.cancel(run, "rollback")
    await assert_cancelled(here, run)
    assert await here.state() == state
    assert await here.rows() == before
    done = await here.run(command={"resume": {"decisions": [{"type": "reject", "message": "No."}]}})
    assert done.status == RunStatus.SUCCESS
    assert not [entry for entry in await here.events(done) if entry.data.get("event") == "tool-started"]


@ACTIONS
@pytest.mark.usefixtures("with_tools")
async def test_taking_back_an_approval_that_had_not_come_far(
    house: Build, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """It was stopped when the graph had taken the decision, and had not yet saved where that led."""
    here = await house(**CONFIRMED)
    assert (await here.run('TOOL:slow {"seconds": 60}')).status == RunStatus.INTERRUPTED
    before = await here.rows()
    deciding = asyncio.Event()

    async def never_saved(*given: Any) -> None:
        deciding.set()
        # Not for ever: where nobody cancels it, a graph that ends waits for it.
        await asyncio.sleep(60)

    with monkeypatch.context() as broken:
        broken.setattr(AnnouncingSaver, "aput", never_saved)
        run = await here.start(command={"resume": {"decisions": [{"type": "approve"}]}})
        await asyncio.wait_for(deciding.wait(), 60)
        # What the decision led to is written beside the checkpoint, which may come first.
        async with asyncio.timeout(30):
            while await here.rows() == before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await here.cancel(run, action)
        await assert_cancelled(here, run)
    done = await here.run(command={"resume": {"decisions": [{"type": "reject", "message": "No."}]}})
    assert done.status == RunStatus.SUCCESS
    assert not [entry for entry in await here.events(done) if entry.data.get("event") == "tool-started"]
    assert "No." in (await here.said())[2][1]


@pytest.mark.usefixtures("with_tools")
async def test_stopping_what_was_approved(house: Build) -> None:
    """It was approved and stopped: whoever goes on is asked nothing that was decided, and nothing runs twice."""
    here = await house(**CONFIRMED)
    assert (await here.run('TOOL:slow {"seconds": 5}')).status == RunStatus.INTERRUPTED
    run = await here.start(command={"resume": {"decisions": [{"type": "approve"}]}})
    await here.at_tool(run)
    await here.cancel(run)
    await assert_cancelled(here, run)
    assert (await here.run("after")).status == RunStatus.SUCCESS
    assert (await here.said())[-1] == ("ai", "Echo: after")
    assert (await here.state())["next"] == []


async def test_twice_and_a_rollback_is_not_taken_back(house: Build) -> None:
    here = await talked(house)
    run = await here.speak()
    for action in ("interrupt", "rollback", "interrupt"):
        await here.cancel(run, action)
    await assert_cancelled(here, run)
    # The first may have been done already.
    assert await here.said() == BEFORE or (await here.said())[3][1].startswith("tok0 ")
    await assert_works(here)


async def test_a_cancellation_that_races_with_the_end(house: Build) -> None:
    """Whoever wins, all agree."""
    here = await talked(house)
    for number in range(12):
        before = await here.rows()
        run = await here.start(f"hello {number}")
        await here.told(run, lambda entry: entry.data.get("event") == "message-start")
        await asyncio.sleep(number * 0.004)
        action = ("interrupt", "rollback")[number % 2]
        await here.cancel(run, action)
        row = await here.end_of(run)
        lifecycle = [entry.data["event"] for entry in await here.events(run) if entry.method == "lifecycle"]
        assert (row.status, lifecycle[-1]) in [("success", "completed"), ("cancelled", "failed")]
        names = [name for name, _, _ in await here.stream(run)]
        assert ("error" in names) == (row.status == "cancelled")
        if row.status == "cancelled" and action == "rollback":
            assert await here.rows() == before
        else:
            assert (await here.streamed(run))[-1] == (await here.messages())[-1]
        assert await here.event_seq() == await event_log().last_seq(run.thread_id)
    await assert_works(here)


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
async def test_a_run_that_takes_the_place_of_others(house: Build, strategy: str) -> None:
    here = await talked(house)
    first = await here.speak()
    waiting = await here.start("never said")
    last = await here.start("instead", multitask_strategy=strategy)
    await assert_cancelled(here, first)
    await assert_cancelled(here, waiting)
    assert (await here.end_of(last)).status == RunStatus.SUCCESS
    said = await here.said()
    assert said[-2:] == [("human", "instead"), ("ai", "Echo: instead")]
    assert [kind for kind, _ in said[2:-2]] == ([] if strategy == "rollback" else ["human", "ai"])
    assert await here.event_seq() == await event_log().last_seq(first.thread_id)


async def test_a_run_that_will_not_wait(house: Build) -> None:
    here = await talked(house)
    first = await here.start(LONG)
    body = {"thread_id": here.thread, "input": [], "multitask_strategy": "reject"}
    refused = await here.ask("POST", "/runs", body)
    assert (refused.status_code, list(refused.json())) == (409, ["detail"])
    await here.cancel(first)
    await assert_cancelled(here, first)
    assert (await here.ask("POST", "/runs", {**body, "input": None})).status_code == 200


async def test_another_users_run(house: Build) -> None:
    alice, bob = await talked(house), await house(user="bob")
    run = await alice.start(LONG)
    for method, path in [("POST", "/cancel"), ("GET", ""), ("GET", "/wait"), ("DELETE", "")]:
        answer = await bob.ask(method, f"/runs/{run.pk}{path}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Run not found"})
    assert (await alice.ask("POST", f"/runs/{run.pk}/cancel?action=forget")).status_code == 422
    await alice.speaking(run)
    await alice.cancel(run)
    await assert_cancelled(alice, run)


async def test_the_row_is_not_claimed_again(house: Build) -> None:
    here = await talked(house)
    run = await here.speak()
    await here.cancel(run)
    await assert_cancelled(here, run)
    assert await in_database_thread(claim_run) is None
