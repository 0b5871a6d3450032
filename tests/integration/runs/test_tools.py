"""Runs of agents with tools, and of agents that ask before they use them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agents.architectures.tool_calls import NO_JSON
from agents.confirmation import BROKEN_OFF, CONFIRMATION_NODE, NOT_APPROVED, TOO_LATE
from agents.graphs import aclose
from agents.tools import toolset
from agents.tools.toolset import Toolset
from opengpts.db import in_database_thread
from runs.models import Run
from tests.fakes import tools
from tests.integration.runs.talk import CONFIRMED, Talk
from tests.services import FakeOpenAI

pytestmark = pytest.mark.django_db(transaction=True)

ADD = 'TOOL:add {"a": 1, "b": 2}'
BOTH = f'{ADD} TOOL:failing {{"text": "x"}}'
APPROVE = {"type": "approve"}
FAILED = "failing failed (ValueError). Try it with other arguments, or answer without it."

Ran = Callable[[], list[str]]
Start = Callable[..., Awaitable[Talk]]


@pytest.fixture
async def talk(openai_server: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts threads whose agents have the tools of `tests.fakes.tools`."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url
    opened = Toolset((tools.add, tools.failing, tools.slow))

    async def open_tools(specs: Any) -> Toolset:
        return opened

    monkeypatch.setattr(toolset, "open_tools", open_tools)

    async def start(**configurable: Any) -> Talk:
        return await in_database_thread(lambda: Talk(**configurable))

    yield start
    await aclose()


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The tools that were run, in order."""
    path = tmp_path / "ran"
    monkeypatch.setenv("FAKE_TOOLS_LOG", str(path))
    return lambda: [json.loads(line)["tool"] for line in path.read_text().splitlines()] if path.exists() else []


async def waiting(talk: Start, text: str = ADD) -> Talk:
    """A thread that waits for a decision."""
    asked = await talk(**CONFIRMED)
    assert (await asked.run(text)).run.status == "interrupted"
    return asked


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = message["tool_calls"]
    return listed


def result(call: dict[str, Any], content: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool", "tool_call_id": call["id"], "content": content, "status": "error", **fields}


async def test_two_tools_at_once_one_of_them_failing(
    talk: Start, openai_server: FakeOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    done = await chat.run(BOTH)
    assert done.run.status == "success"
    human, call, added, failed, answer = await chat.messages()
    assert [one["name"] for one in calls_of(call)] == ["add", "failing"]
    assert [(m["content"], m["status"], m["name"]) for m in (added, failed)] == [
        ("3", "success", "add"),
        (FAILED, "error", "failing"),
    ]
    assert answer["content"] == f"Echo: tool said 3 tool said {FAILED}"
    streamed = {message["id"]: message for message in await done.streamed()}
    assert streamed == {message["id"]: message for message in (human, call, added, failed, answer)}
    assert "secret of x" in caplog.text
    assert "secret" not in str(openai_server.requests())
    assert {one["function"]["name"] for one in openai_server.requests()[0]["body"]["tools"]} == {
        "add",
        "failing",
        "slow",
    }


@pytest.mark.parametrize("confirm", [False, True])
async def test_a_call_whose_arguments_are_no_json(talk: Start, ran: Ran, confirm: bool) -> None:
    chat = await talk(**(CONFIRMED if confirm else {"type==agent/tools": ["retrieval"]}))
    done = await chat.run(f"TOOL:add {{1 + 2}} {ADD}")
    if confirm:
        assert done.run.status == "interrupted"
        done = await chat.run()
    assert done.run.status == "success"
    _, call, *results, answer = await chat.messages()
    assert [(one["name"], one["args"]) for one in calls_of(call)] == [("add", {"a": 1, "b": 2}), ("add", {})]
    assert sorted((m["content"], m["status"]) for m in results) == [("3", "success"), (NO_JSON, "error")]
    assert answer["content"].startswith("Echo: tool said")
    assert ran() == ["add"]


async def test_a_call_that_takes_too_long(talk: Start, settings: Any) -> None:
    settings.TOOL_TIMEOUT = 0.05
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    await chat.run('TOOL:slow {"seconds": 60}')
    assert (await chat.said())[2] == ("tool", "slow did not answer within 0.05 seconds.")
    assert (await chat.messages())[2]["status"] == "error"


@pytest.mark.parametrize("call", ['TOOL:nothing {"a": 1}', 'TOOL:add {"a": "many"}'])
async def test_a_call_that_cannot_be_made(talk: Start, call: str) -> None:
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    assert (await chat.run(call)).run.status == "success"
    kinds = [(message["type"], message.get("status")) for message in await chat.messages()]
    assert kinds == [("human", None), ("ai", None), ("tool", "error"), ("ai", None)]


async def test_a_run_that_goes_round_in_circles_leaves_a_usable_thread(talk: Start, ran: Ran) -> None:
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    done = await chat.run('LOOP:add {"a": 1, "b": 2}')
    assert (done.run.status, done.run.error_code) == ("error", "recursion_limit")
    assert len(ran()) == 25
    assert (await chat.run("hello")).run.status == "success"
    assert (await chat.said())[-2:] == [("human", "hello"), ("ai", "Echo: hello")]


async def test_it_stops_and_asks(talk: Start, ran: Ran) -> None:
    chat = await talk(**CONFIRMED)
    done = await chat.run(BOTH)
    assert done.run.status == "interrupted"
    state = await chat.state()
    assert state["next"] == [CONFIRMATION_NODE]
    assert [message["type"] for message in state["values"]] == ["human", "ai"]
    [request] = await done.requested()
    assert request["interrupt_id"]
    actions = request["payload"]["action_requests"]
    assert [(action["name"], action["args"]) for action in actions] == [
        ("add", {"a": 1, "b": 2}),
        ("failing", {"text": "x"}),
    ]
    assert [config["allowed_decisions"] for config in request["payload"]["review_configs"]] == [
        ["approve", "edit", "reject"]
    ] * 2
    assert (await done.entries())[-1].data["event"] == "interrupted"
    assert ran() == []


async def test_no_input_approves(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk)
    human, call = await chat.messages()
    done = await chat.run()
    assert done.run.status == "success"
    assert await chat.said() == [("human", ADD), ("ai", ""), ("tool", "3"), ("ai", "Echo: tool said 3")]
    assert [message["type"] for message in await done.streamed()] == ["tool", "ai"]
    assert (await chat.messages())[:2] == [human, call]
    assert (await chat.state())["next"] == []
    assert ran() == ["add"]


async def test_each_call_is_decided_on(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, f"{BOTH} {ADD}")
    edit = {"type": "edit", "edited_action": {"name": "add", "args": {"a": 20, "b": 3}}}
    done = await chat.decide(edit, {"type": "reject", "message": "too risky"}, APPROVE)
    assert done.run.status == "success"
    by_call = {message["tool_call_id"]: message for message in await chat.messages() if message["type"] == "tool"}
    edited, rejected, approved = (by_call[call["id"]] for call in calls_of((await chat.messages())[1]))
    assert edited["content"].endswith("23")
    assert (rejected["status"], approved["content"]) == ("error", "3")
    assert "too risky" in rejected["content"]
    assert sorted(ran()) == ["add", "add"]


async def test_an_edit_posted_to_the_state_is_what_runs(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk)
    call = (await chat.messages())[1]
    calls_of(call)[0]["args"] = {"a": 40, "b": 2}
    await chat.post(call)
    assert (await chat.state())["next"] == [CONFIRMATION_NODE]
    assert (await chat.run()).run.status == "success"
    assert (await chat.said())[1:] == [("ai", ""), ("tool", "42"), ("ai", "Echo: tool said 42")]
    assert ran() == ["add"]


async def test_a_result_posted_to_the_state_answers_that_call_alone(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, BOTH)
    added, failing = calls_of((await chat.messages())[1])
    await chat.post(result(failing, "not that one"))
    assert (await chat.state())["next"] == [CONFIRMATION_NODE]
    assert (await chat.ask("POST", "/runs", command(APPROVE, APPROVE) | {"thread_id": chat.thread})).status_code == 422
    done = await chat.decide(APPROVE)
    assert done.run.status == "success"
    assert (await chat.said())[2:] == [
        ("tool", "not that one"),
        ("tool", "3"),
        ("ai", "Echo: tool said 3 tool said not that one"),
    ]
    assert ran() == ["add"]
    assert added


async def test_when_all_calls_are_answered_the_model_goes_on(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, BOTH)
    first, second = calls_of((await chat.messages())[1])
    await chat.post(result(first, "no"))
    await chat.post(result(second, "neither"))
    assert (await chat.state())["next"] == [CONFIRMATION_NODE]
    assert (await chat.ask("POST", "/runs", command(APPROVE) | {"thread_id": chat.thread})).status_code == 409
    assert (await chat.run()).run.status == "success"
    assert (await chat.said())[-1] == ("ai", "Echo: tool said no tool said neither")
    assert ran() == []


@pytest.mark.parametrize("way", ["run", "post"])
async def test_a_new_message_gives_the_calls_up(talk: Start, way: str, ran: Ran) -> None:
    chat = await waiting(talk, BOTH)
    if way == "post":
        await chat.post({"type": "human", "content": "never mind"})
        assert (await chat.state())["next"] == []
        done = await chat.run()
    else:
        done = await chat.run("never mind")
        assert [message["type"] for message in await done.streamed()] == ["tool", "tool", "human", "ai"]
    assert done.run.status == "success"
    given_up = [("tool", NOT_APPROVED)] * 2
    assert (await chat.said())[2:] == [*given_up, ("human", "never mind"), ("ai", "Echo: never mind")]
    assert {message["status"] for message in (await chat.messages())[2:4]} == {"error"}
    assert ran() == []


async def test_it_asks_again_about_the_next_calls(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, 'LOOP:add {"a": 1, "b": 2}')
    assert (await chat.run()).run.status == "interrupted"
    assert (await chat.decide({"type": "reject"})).run.status == "interrupted"
    assert ran() == ["add"]


async def test_pressing_twice_approves_once(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, 'LOOP:add {"a": 1, "b": 2}')
    for body in ({"input": None}, {"input": None}, command(APPROVE)):
        assert (await chat.ask("POST", "/runs", {"thread_id": chat.thread, **body})).status_code == 200
    ended = []
    for _ in range(3):
        doing = await chat.go_on()
        await doing.task
        await doing.refresh()
        ended.append((doing.run.status, doing.run.error_code))
    assert ended == [("interrupted", ""), ("interrupted", ""), ("error", "conflict")]
    assert ran() == ["add"]
    assert (await chat.state())["next"] == [CONFIRMATION_NODE]


def command(*decisions: dict[str, Any]) -> dict[str, Any]:
    return {"command": {"resume": {"decisions": list(decisions)}}}


EDIT = {"type": "edit", "edited_action": {"name": "failing", "args": {}}}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (command(), "1 tool calls wait"),
        (command(APPROVE, APPROVE), "1 tool calls wait"),
        (command({"type": "respond", "message": "x"}), "'approve', 'edit', 'reject'"),
        (command({"type": "edit"}), "Field required"),
        (command(EDIT), "The model called add. An edit may change the arguments of a call, but not its tool"),
        ({**command(APPROVE), "input": []}, "not both"),
        ({"command": {"resume": "yes"}}, "valid dictionary"),
        ({"command": {"goto": "model", "resume": {"decisions": [APPROVE]}}}, "Extra inputs"),
        ({"command": {}}, "Field required"),
    ],
)
async def test_decisions_that_do_not_fit(talk: Start, body: dict[str, Any], named: str) -> None:
    chat = await waiting(talk)
    response = await chat.ask("POST", "/runs", {"thread_id": chat.thread, **body})
    assert response.status_code == 422
    assert named in json.dumps(response.json(), ensure_ascii=False)
    assert not await in_database_thread(Run.objects.filter(status="pending").exists)


async def test_nothing_waits_for_a_decision(talk: Start) -> None:
    chat = await talk(**CONFIRMED)
    response = await chat.ask("POST", "/runs", {"thread_id": chat.thread, **command(APPROVE)})
    assert (response.status_code, response.json()) == (
        409,
        {"detail": "No tool call of this thread waits for a decision."},
    )


async def test_a_resumed_run_that_is_broken_off_does_nothing_twice(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk, f'{ADD} TOOL:slow {{"seconds": 60}}')
    response = await chat.ask("POST", "/runs", {"thread_id": chat.thread, "input": None})
    assert response.status_code == 200
    for attempt in (1, 2):
        doing = await chat.go_on()
        while ran().count("slow") < attempt:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # for the first result to be saved
        doing.task.cancel()
        await asyncio.gather(doing.task, return_exceptions=True)
    assert sorted(ran()) == ["add", "slow", "slow"]
    assert "input.requested" not in {entry.method for entry in await doing.entries()}


async def test_calls_of_a_run_that_was_lost_do_not_dangle(talk: Start, ran: Ran) -> None:
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    doing = await chat.start('TOOL:slow {"seconds": 60}')
    while not ran():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    doing.task.cancel()
    await asyncio.gather(doing.task, return_exceptions=True)
    await in_database_thread(lambda: Run.objects.update(status="error", error_code="run_lost"))
    assert (await chat.state())["next"] == ["tools"]
    assert (await chat.run("hello")).run.status == "success"
    assert (await chat.said())[2:] == [("tool", BROKEN_OFF), ("human", "hello"), ("ai", "Echo: hello")]


async def test_images_are_kept_and_reach_the_model(talk: Start, openai_server: FakeOpenAI) -> None:
    chat = await talk()
    asked = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
    ]
    done = await chat.run(input=[{"type": "human", "content": asked}])
    assert done.run.status == "success"
    assert await chat.said() == [("human", asked), ("ai", "Echo: what is this?")]
    assert (await done.streamed())[0]["content"] == asked
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert openai_server.requests()[0]["body"]["messages"][-1]["content"] == [asked[0], image, image]


async def test_answers_in_blocks_are_kept_and_their_text_is_sent(talk: Start, openai_server: FakeOpenAI) -> None:
    chat = await talk()
    blocks = [{"type": "reasoning", "reasoning": "hm", "index": 0}, {"type": "text", "text": "It is.", "index": 1}]
    thought = {"type": "ai", "content": "Yes.", "additional_kwargs": {"reasoning_content": "hm"}}
    await chat.post({"type": "human", "content": "is it?"}, {"type": "ai", "content": blocks}, thought)
    await chat.run("sure?")
    assert (await chat.said())[1:3] == [("ai", blocks), ("ai", "Yes.")]
    assert (await chat.messages())[2]["additional_kwargs"] == {"reasoning_content": "hm"}
    sent = [(m["role"], m["content"]) for m in openai_server.requests()[0]["body"]["messages"]]
    assert sent[1:] == [("user", "is it?"), ("assistant", "It is."), ("assistant", "Yes."), ("user", "sure?")]


async def test_reasoning_is_streamed_and_kept(talk: Start) -> None:
    chat = await talk()
    done = await chat.run("THINK:3 why?")
    answer = (await chat.messages())[-1]
    assert (answer["content"], answer["additional_kwargs"]) == (
        "Echo: THINK:3 why?",
        {"reasoning_content": "thought0 thought1 thought2 "},
    )
    assert (await done.streamed())[-1]["additional_kwargs"] == answer["additional_kwargs"]
    assert done.run.status == "success"


@pytest.mark.parametrize("changed", [{"type": "chatbot"}, {"type==agent/tools": ["retrieval"]}])
async def test_an_assistant_that_changed_meanwhile_answers_all_the_same(
    talk: Start, ran: Ran, changed: dict[str, Any]
) -> None:
    chat = await waiting(talk, f"{ADD} {ADD}")
    await chat.ask("PUT", f"/assistants/{chat.assistant}", {"name": "a", "config": {"configurable": changed}})
    assert (await chat.decide(APPROVE, {"type": "reject"})).run.status == "success"
    assert (await chat.said())[2:] == [
        ("tool", TOO_LATE),
        ("tool", NOT_APPROVED),
        ("ai", f"Echo: tool said {TOO_LATE} tool said {NOT_APPROVED}"),
    ]
    assert ran() == []


async def test_approved_without_input_when_the_assistant_has_changed(talk: Start, ran: Ran) -> None:
    chat = await waiting(talk)
    await chat.ask("PUT", f"/assistants/{chat.assistant}", {"name": "a", "config": {"configurable": {}}})
    assert (await chat.run()).run.status == "success"
    assert (await chat.said())[2:] == [("tool", TOO_LATE), ("ai", f"Echo: tool said {TOO_LATE}")]
    assert ran() == []


BIG = 2**70


async def test_numbers_of_any_size_reach_a_tool(talk: Start, ran: Ran) -> None:
    asked = await talk()
    assert (
        await asked.run(f'TOOL:add {{"a": {BIG}, "b": -{BIG}}} TOOL:add {{"a": {BIG}, "b": 1}}')
    ).run.error_code == ""
    results = [content for kind, content in await asked.said() if kind == "tool"]
    assert results == ["0", str(BIG + 1)]


async def test_numbers_of_any_size_can_be_decided_on(talk: Start, ran: Ran) -> None:
    asked = await waiting(talk, f'TOOL:add {{"a": {BIG}, "b": 1}} {ADD}')
    edit = {"type": "edit", "edited_action": {"name": "add", "args": {"a": BIG, "b": 3}}}
    assert (await asked.decide(APPROVE, edit)).run.error_code == ""
    results = [content for kind, content in await asked.said() if kind == "tool"]
    assert results[0] == str(BIG + 1)
    assert results[1].endswith(str(BIG + 3))
