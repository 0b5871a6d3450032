"""The official Python client and tools: what they give, and decisions on their calls."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.clients.conftest import ADD
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.python_client import Transport, human, open_thread, read_texts, read_tool_calls, said, until_ended

pytestmark = pytest.mark.acceptance


def ran_tools(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_tools_that_work_and_fail(agents_server: LiveServer, agent: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, agent, transport=transport) as thread:
        await thread.run.start(input=human(f'{ADD} TOOL:failing {{"text": "x"}}'))
        calls = {name: (given, output) for name, given, output in await read_tool_calls(thread)}
        answer = said(await thread.output)[-1]
    assert calls["add"] == ({"a": 1, "b": 2}, "3")
    given, error = calls["failing"]
    assert given == {"text": "x"}
    assert isinstance(error, RuntimeError)
    assert "secret" not in str(error)
    assert answer == ("ai", f"Echo: tool said 3 tool said {error}")


async def test_what_a_tool_tells_comes_under_its_name(
    agents_server: LiveServer, agent: str, transport: Transport
) -> None:
    async with open_thread(agents_server.url, agent, transport=transport) as thread:
        await thread.run.start(input=human('TOOL:telling {"count": 3}'))
        told = [event["payload"] async for event in thread.extensions["progress"]]
    assert told == [{"done": number, "of": 3} for number in (1, 2, 3)]
    async with open_thread(agents_server.url, agent, thread.thread_id, transport=transport) as thread:
        told = [event["params"]["data"] for event in await until_ended(thread.events) if event["method"] == "custom"]
    assert told[0] == {"name": "progress", "payload": {"done": 1, "of": 3}}
    assert told[-1] == {"payload": {"note": "finished"}}


@pytest.mark.parametrize(
    ("decision", "ran", "result"),
    [
        ({"type": "approve"}, [{"tool": "add", "a": 1, "b": 2}], "3"),
        (
            {"type": "edit", "edited_action": {"name": "add", "args": {"a": 40, "b": 2}}},
            [{"tool": "add", "a": 40, "b": 2}],
            "42",
        ),
        ({"type": "reject", "message": "not today"}, [], "not today"),
    ],
    ids=["approve", "edit", "reject"],
)
async def test_decisions(
    agents_server: LiveServer,
    client: LiveClient,
    asking: str,
    tools_log: Path,
    transport: Transport,
    decision: dict[str, Any],
    ran: list[dict[str, Any]],
    result: str,
) -> None:
    async with open_thread(agents_server.url, asking, transport=transport) as thread:
        await thread.run.start(input=human(ADD))
        async for _ in thread.values:
            continue
        assert thread.interrupted
        (interrupt,) = thread.interrupts
        assert interrupt["value"]["action_requests"][0]["args"] == {"a": 1, "b": 2}
        assert client.get(f"/threads/{thread.thread_id}/state")["next"]
        started = await thread.run.respond({"decisions": [decision]})
        texts = await read_texts(thread)
        values = said(await thread.output)
        assert not thread.interrupted
        assert thread.interrupts == []
    assert [kind for kind, _ in values] == ["human", "ai", "tool", "ai"]
    assert values[2][1].endswith(result)
    # This client reads no message of a run that was over before it began to read; the values have it all the same.
    assert not texts or texts[-1] == values[-1][1]
    assert ran_tools(tools_log) == ran
    assert client.wait_for_run(started["run_id"])["status"] == "success"


async def test_a_wrong_decision_leaves_the_question(
    agents_server: LiveServer, asking: str, transport: Transport
) -> None:
    async with open_thread(agents_server.url, asking, transport=transport) as thread:
        await thread.run.start(input=human(ADD))
        async for _ in thread.values:
            continue
        with pytest.raises(RuntimeError, match=r"Protocol error \[invalid_argument\]"):
            await thread.run.respond({"decisions": [{"type": "perhaps"}]})
        await thread.run.respond({"decisions": [{"type": "approve"}]})
        assert said(await thread.output)[-1] == ("ai", "Echo: tool said 3")


async def test_coming_back_to_a_thread_that_waits_for_a_decision(
    agents_server: LiveServer, client: LiveClient, asking: str, transport: Transport
) -> None:
    thread_id = str(client.post("/threads", {"name": "t", "assistant_id": asking})["thread_id"])
    assert client.wait_for_run(client.start_run(thread_id, ADD))["status"] == "interrupted"
    async with open_thread(agents_server.url, asking, thread_id, transport=transport) as thread:
        async for _ in thread.values:
            if thread.interrupts:
                break
        await thread.run.respond({"decisions": [{"type": "approve"}]})
        assert said(await thread.output)[-1] == ("ai", "Echo: tool said 3")
