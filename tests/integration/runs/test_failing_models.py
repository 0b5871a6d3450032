"""Models that fail in the middle of what they say: it is kept, the run says why, and the thread goes on."""

from typing import Any

import pytest

from runs.event_log import event_log
from runs.models import RunStatus
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import House
from tests.integration.runs.watcher import Watcher, data_of
from tests.services import FakeOpenAI, tokens

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("human", "before"), ("ai", "Echo: before")]
# What the model does, the run's code, and what is kept of it.
FAILURES = [
    ("RESET", "model_failed", "tok0 tok1 "),
    ("GARBAGE", "model_failed", "tok0 tok1 "),
    ("TOKENS:500 DELAY:20", "run_timed_out", "tok0 "),
    ("STALL", "run_timed_out", ""),
    ("FAIL:429", "model_failed", ""),
    ("FAIL:500", "model_failed", ""),
    ("FAIL:401", "model_unavailable", ""),
]


async def failed(house: Build, settings: Any, text: str) -> tuple[House, Any]:
    """A thread with one good turn, and one that fails."""
    here = await house()
    assert (await here.run("before")).status == RunStatus.SUCCESS
    if "TOKENS" in text or text == "STALL":
        settings.RUN_TIMEOUT = 1.5
    run = await here.run(text)
    settings.RUN_TIMEOUT = 600
    return here, run


@pytest.mark.parametrize(("text", "code", "kept"), FAILURES, ids=[text for text, _, _ in FAILURES])
@pytest.mark.parametrize("going_on", ["with nothing", "with a message"])
async def test_a_model_that_fails(house: Build, settings: Any, text: str, code: str, kept: str, going_on: str) -> None:
    here, run = await failed(house, settings, text)
    assert (run.status, run.error_code) == ("error", code)
    assert run.error_message
    said = await here.messages()
    assert [(m["type"], m["content"]) for m in said][:3] == [*BEFORE, ("human", text)]
    if kept:
        [partial] = said[3:]
        assert partial["content"].startswith(kept)
        assert partial["additional_kwargs"] == {"incomplete": code}
        assert (await here.streamed(run))[-1] == partial
    else:
        assert said[3:] == []
    errors = [data for name, data, _ in await here.stream(run) if name == "error"]
    assert errors == [{"status_code": errors[0]["status_code"], "message": run.error_message, "code": code}]
    closing = [entry.data for entry in await here.events(run) if entry.method in ("messages", "lifecycle")]
    assert closing[-1] == {"event": "failed", "run_id": str(run.pk), "error": run.error_message, "code": code}
    assert closing[-2]["event"] in ("running", "error")
    assert await here.event_seq() == await event_log().last_seq(run.thread_id)
    if going_on == "with a message":
        assert (await here.run("after")).status == RunStatus.SUCCESS
        assert (await here.said())[-2:] == [("human", "after"), ("ai", "Echo: after")]
        assert (await here.said())[: len(said)] == [(m["type"], m["content"]) for m in said]
    else:
        again = await here.run(None) if "FAIL" in text or text in ("RESET", "GARBAGE") else None
        # The same model, asked the same: it fails again, and nothing is there twice.
        if again is not None:
            assert (again.status, again.error_code) == ("error", code)
        assert [kind for kind, _ in await here.said()][:3] == ["human", "ai", "human"]
        assert (await here.run("after")).status == RunStatus.SUCCESS


async def test_going_on_where_a_model_broke_off(house: Build, settings: Any, model: FakeOpenAI) -> None:
    """With nothing new to say, the answer that was broken off is asked for again."""
    here = await house()
    settings.RUN_TIMEOUT = 0.6
    run = await here.run("TOKENS:40 DELAY:40")
    assert run.error_code == "run_timed_out"
    assert (await here.messages())[-1]["additional_kwargs"]["incomplete"] == "run_timed_out"
    settings.RUN_TIMEOUT = 600
    model.forget()
    again = await here.run(None)
    assert again.status == RunStatus.SUCCESS
    assert len(model.requests()) == 1
    assert (await here.said())[-1] == ("ai", tokens(40))
    assert (await here.state())["next"] == []


async def test_what_the_protocol_says_of_it(house: Build) -> None:
    here = await house()
    async with Watcher(here) as watcher:
        watcher.subscribe()
        await watcher.settled()
        run = await here.run("RESET")
        frames = await watcher.until_over()
    messages = [data_of(frame)["event"] for frame in frames if frame["method"] == "messages"]
    assert messages[0] == "message-start"
    assert messages[-1] == "error"
    assert "message-finish" not in messages
    assert data_of(frames[-1])["error"] == run.error_message
    values = [data_of(frame)["messages"] for frame in frames if frame["method"] == "values"]
    assert values[-1] == await here.messages()


@pytest.mark.usefixtures("with_tools")
async def test_after_a_tool_has_run(house: Build, settings: Any) -> None:
    """What the tool gave stays; whoever goes on does not run it again."""
    here = await house(**{"type==agent/tools": ["retrieval"]})
    settings.RUN_TIMEOUT = 1.5
    run = await here.run('TOOL:slow {"seconds": 60}')
    assert (run.status, run.error_code) == ("error", "run_timed_out")
    settings.RUN_TIMEOUT = 600
    tools = [entry.data["event"] for entry in await here.events(run) if entry.method == "tools"]
    assert tools == ["tool-started", "tool-error"]
    assert (await here.run("after")).status == RunStatus.SUCCESS
    assert (await here.said())[-1] == ("ai", "Echo: after")
