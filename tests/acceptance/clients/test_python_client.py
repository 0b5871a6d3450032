"""The official Python client, over server-sent events and WebSocket."""

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.clients.conftest import ADD, TEN, TEN_TOKENS
from tests.cutting_proxy import CuttingProxy
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.python_client import Transport, human, open_thread, read_texts, said, until_ended
from tests.services import tokens

pytestmark = pytest.mark.acceptance


async def test_a_run_makes_the_thread_and_is_watched(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    deltas: list[str] = []
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        started = await thread.run.start(input=human(TEN))
        assert await read_texts(thread, deltas.append) == [TEN_TOKENS]
        values = await thread.output
    assert len(deltas) > 3, "the text does not come in pieces"
    assert said(values) == [("human", TEN), ("ai", TEN_TOKENS)]
    assert client.get(f"/runs/{started['run_id']}")["status"] == "success"
    assert client.get(f"/threads/{thread.thread_id}")["name"] == TEN
    assert client.said(thread.thread_id) == said(values)


async def test_values_go_up_to_the_final_ones(agents_server: LiveServer, agent: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, agent, transport=transport) as thread:
        await thread.run.start(input=human(ADD))
        snapshots = [said(values) async for values in thread.values]
        assert snapshots[-1] == said(await thread.output)
    # The first is what the client has read by HTTP, which may be newer than what it then hears.
    lengths = [len(snapshot) for snapshot in snapshots[1:]]
    assert lengths == sorted(lengths)
    assert [kind for kind, _ in snapshots[-1]] == ["human", "ai", "tool", "ai"]


async def test_messages_tell_what_they_cost(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human("TOKENS:3"))
        messages = [message async for message in thread.messages]
        whole = await messages[0]
        values = await thread.output
    assert whole.usage_metadata
    assert whole.usage_metadata["output_tokens"] == 3
    listed = values["messages"] if isinstance(values, dict) else values
    assert [whole.id] == [message["id"] for message in listed if message["type"] == "ai"]


async def test_thoughts_are_no_part_of_the_text(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human("THINK:3 well"))
        messages = [message async for message in thread.messages]
        assert await messages[0].reasoning == "thought0 thought1 thought2 "
        assert await messages[0].text == "Echo: THINK:3 well"


async def test_two_runs_on_one_stream(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human("one"))
        assert await read_texts(thread) == ["Echo: one"]
        await thread.run.start(input=human("two"))
        assert await read_texts(thread) == ["Echo: two"]
        await thread.run.start(input=human("three"))
        # `output` of this client stands for its first run; the values are those of the run that is watched.
        snapshots = [said(values) async for values in thread.values]
    assert snapshots[-1][-4:] == [("human", "two"), ("ai", "Echo: two"), ("human", "three"), ("ai", "Echo: three")]


async def test_a_run_that_comes_while_another_goes_on_waits_for_it(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human(TEN))
        second = await thread.run.start(input=human("next"))
        assert await read_texts(thread) == [TEN_TOKENS]
        assert await read_texts(thread) == ["Echo: next"]
    assert client.wait_for_run(second["run_id"])["status"] == "success"


async def test_everybody_who_watches_is_told_everything(
    agents_server: LiveServer, chatbot: str, transport: Transport
) -> None:
    # Long enough for all to listen before it ends: who comes to a run that has ended is told the state, by HTTP.
    text = "TOKENS:30 DELAY:50"
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human(text))
        other: Transport = "websocket" if transport == "sse" else "sse"
        async with (
            open_thread(agents_server.url, chatbot, thread.thread_id, transport=transport) as second,
            open_thread(agents_server.url, chatbot, thread.thread_id, transport=other) as third,
        ):
            texts = await asyncio.gather(*(read_texts(one) for one in (thread, second, third)))
            outputs = await asyncio.gather(*(one.output for one in (thread, second, third)))
    assert texts == [[tokens(30)]] * 3
    assert outputs[0] == outputs[1] == outputs[2]


async def test_coming_back_to_a_thread_that_has_ended(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    thread_id = client.make_thread(type="chatbot")
    for text in ("one", "two"):
        client.wait_for_run(client.start_run(thread_id, text))
    everything = client.said(thread_id)
    async with open_thread(agents_server.url, chatbot, thread_id, transport=transport) as thread:
        assert said(await thread.output) == everything
    async with open_thread(agents_server.url, chatbot, thread_id, transport=transport) as thread:
        assert [said(values) async for values in thread.values][-1] == everything
    async with open_thread(agents_server.url, chatbot, thread_id, transport=transport) as thread:
        await thread.run.start(input=human("three"))
        # What the runs before it said is no part of it.
        assert await read_texts(thread) == ["Echo: three"]
        assert said(await thread.output) == [*everything, ("human", "three"), ("ai", "Echo: three")]


async def test_coming_back_while_a_run_goes_on(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    thread_id = client.make_thread(type="chatbot")
    with client.stream(thread_id, TEN) as watched:
        assert any(b"tok3" in line for line in watched.iter_lines())
        async with open_thread(agents_server.url, chatbot, thread_id, transport=transport) as thread:
            assert await read_texts(thread) == [TEN_TOKENS]
            assert said(await thread.output) == [("human", TEN), ("ai", TEN_TOKENS)]


async def test_the_events_are_numbered_and_end_with_the_run(
    agents_server: LiveServer, chatbot: str, transport: Transport
) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human(TEN))
        events = await until_ended(thread.events)
        again = await until_ended(thread.events)
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(numbers)
    assert len({event["event_id"] for event in events}) == len(events)
    assert [event["method"] for event in events][-2:] == ["values", "lifecycle"]
    assert said(events[-2]["params"]["data"]) == [("human", TEN), ("ai", TEN_TOKENS)]
    # Told again, an event has the same id. Of the values only the newest are.
    names = {event["event_id"]: event for event in events if event["method"] != "values"}
    assert {event["event_id"]: event for event in again if event["method"] != "values"} == names


async def test_some_channels(agents_server: LiveServer, agent: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, agent, transport=transport) as thread:
        await thread.run.start(input=human(ADD))
        events = [event async for event in thread.subscribe(["tools", "lifecycle"])]
        elsewhere = thread.subscribe(["tools"], namespaces=[["nowhere"]])
        await thread.run.start(input=human(ADD))
        assert [event async for event in elsewhere] == []
    assert [event["params"]["data"]["event"] for event in events] == [
        "running",
        "tool-started",
        "tool-finished",
        "completed",
    ]


async def test_channels_interleaved(agents_server: LiveServer, agent: str, transport: Transport) -> None:
    channels = ["messages", "tool_calls", "values", "progress", "checkpoints"]
    async with open_thread(agents_server.url, agent, transport=transport) as thread:
        await thread.run.start(input=human('TOOL:telling {"count": 1}'))
        kinds = [kind async for kind, _ in thread.interleave_projections(channels)]
    assert [kind for kind in kinds if kind in ("messages", "tool_calls", "progress")] == [
        "messages",
        "tool_calls",
        "progress",
        "messages",
    ]
    assert kinds[-1] == "values"


@pytest.mark.parametrize("script", ["FAIL:400", "GARBAGE", "RESET"])
async def test_a_failing_model(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport, script: str
) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        started = await thread.run.start(input=human(script))
        messages = [message async for message in thread.messages]
        error = client.wait_for_run(started["run_id"])["error"]
        with pytest.raises(RuntimeError) as failed:
            await thread.output
        assert str(failed.value) == f"Run errored: {error['message']}"
        for message in messages:
            with pytest.raises(Exception, match=r".+"):
                await message
        await thread.run.start(input=human("hello"))
        assert await read_texts(thread) == ["Echo: hello"]


async def test_a_run_that_is_cancelled(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        started = await thread.run.start(input=human("TOKENS:1000 DELAY:30"))

        def stop(delta: str) -> None:
            if "tok3" in delta:
                client.post(f"/runs/{started['run_id']}/cancel", {})

        with pytest.raises(Exception, match="cancelled"):
            await read_texts(thread, stop)
        with pytest.raises(RuntimeError, match=r"Run errored: .*cancelled"):
            await thread.output
    assert client.get(f"/runs/{started['run_id']}")["status"] == "cancelled"


async def test_a_connection_that_is_cut(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    cuts = iter(("tok3 ", "tok8 ", "tok14 "))
    text = tokens(20)
    waiting = next(cuts)
    with CuttingProxy(agents_server.port) as proxy:

        def cut(delta: str) -> None:
            nonlocal waiting
            if waiting in delta:
                assert proxy.cut() >= 2, "the client is not connected by the proxy"
                waiting = next(cuts, "no more")

        async with open_thread(proxy.url, chatbot, transport=transport) as thread:
            await thread.run.start(input=human("TOKENS:20 DELAY:50"))
            assert await read_texts(thread, cut) == [text]
            assert said(await thread.output)[-1] == ("ai", text)
    assert waiting == "no more"


async def test_what_cannot_be_run(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    missing = "5c6fcbd2-9a1c-44ff-9e4c-9d4dd1c0fb05"
    async with open_thread(agents_server.url, missing, transport=transport) as thread:
        with pytest.raises(RuntimeError, match=r"\[invalid_argument\]: Assistant not found"):
            await thread.run.start(input=human("hello"))
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        with pytest.raises(RuntimeError, match=r"\[invalid_argument\]"):
            await thread.run.start(input={"messages": [{"role": "nobody", "content": "hello"}]})
        await thread.run.start(input=human("hello"))
        assert await read_texts(thread) == ["Echo: hello"]


async def test_the_thread_of_somebody_else(
    agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport
) -> None:
    thread_id = client.make_thread(type="chatbot")
    client.wait_for_run(client.start_run(thread_id, "private"))
    async with open_thread(agents_server.url, chatbot, thread_id, transport=transport, user="bob") as thread:
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await thread.run.start(input=human("hello"))
        with pytest.raises(Exception, match=r"404|Thread not found"):
            await thread.output
    assert client.said(thread_id) == [("human", "private"), ("ai", "Echo: private")]


def test_a_run_that_ends_before_its_client_listens(agents_server: LiveServer, client: LiveClient, chatbot: str) -> None:
    # What the client does, slowly: start a run by a command, then subscribe to how it ends.
    path = f"/threads/{uuid4()}"
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": chatbot, "input": human("FAIL:400")}}
    run_id = client.post(f"{path}/commands", start)["result"]["run_id"]
    assert client.wait_for_run(run_id)["status"] == "error"
    about_runs = {"channels": ["lifecycle", "input"]}
    with client("POST", f"{path}/stream/events", about_runs, stream=True) as told:
        events = (json.loads(line[5:])["params"]["data"] for line in told.iter_lines() if line.startswith(b"data:"))
        assert [next(events)["event"] for _ in range(2)] == ["running", "failed"]
        # Told once: the next one is about to start a run of its own, and would take this end for that run's.
        with client("POST", f"{path}/stream/events", about_runs, stream=True) as second:
            lines = second.iter_lines()
            assert next(lines) == b": open"
            client.post(f"{path}/commands", {**start, "params": {"assistant_id": chatbot, "input": human("hello")}})
            events = (json.loads(line[5:])["params"]["data"] for line in lines if line.startswith(b"data:"))
            assert [next(events)["event"] for _ in range(2)] == ["running", "completed"]


async def test_a_stream_for_every_turn(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    async with open_thread(agents_server.url, chatbot, transport=transport) as thread:
        await thread.run.start(input=human("turn 0"))
        await thread.output
    for number in range(1, 4):
        async with open_thread(agents_server.url, chatbot, thread.thread_id, transport=transport) as thread:
            await thread.run.start(input=human(f"turn {number}"))
            assert said(await thread.output)[-1] == ("ai", f"Echo: turn {number}")


async def test_the_graph_of_an_assistant(agents_server: LiveServer, agent: str) -> None:
    async with open_thread(agents_server.url, agent) as thread:
        tree = await thread.agent.get_tree()
    assert {node["id"] for node in tree["nodes"]} >= {"__start__", "model", "tools", "__end__"}
    assert {"source": "tools", "target": "model"}.items() <= next(
        edge for edge in tree["edges"] if edge["source"] == "tools" and edge["target"] == "model"
    ).items()
