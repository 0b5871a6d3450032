"""Merging deltas between a server and a graph: when it happens, and that it leaves streams as they were."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import openai as openai_sdk
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.connections import LoopTransport, aclose, connections_to
from agents.language_models.delta_merging import DeltaMergingTransport
from agents.language_models.pacing import in_hand, pause
from tests.integration.agents.conftest import ThreadMaker
from tests.services import FakeOpenAI, tokens

pytestmark = pytest.mark.once

Request = Callable[[httpx2.AsyncBaseTransport], Any]


@pytest.fixture
async def unmerged(openai: FakeOpenAI) -> AsyncIterator[ChatOpenAI]:
    """The model as it is without merging."""
    async with openai_sdk.DefaultAsyncHttpxClient() as client:
        yield ChatOpenAI(
            model=MODELS[DEFAULT_LABEL].name,
            api_key=SecretStr("x"),
            base_url=openai.base_url,
            temperature=0,
            streaming=True,
            stream_usage=True,
            http_async_client=client,
            max_retries=0,
        )


# When


@pytest.mark.parametrize("kind", ["agent", "chatbot", "chat_retrieval"])
async def test_what_arrives_together_is_merged(kind: str, thread: ThreadMaker, unmerged: ChatOpenAI) -> None:
    talk = thread(type=kind)
    streamed = await talk.run("TOKENS:200")
    node = {"agent": "model", "chatbot": "chatbot", "chat_retrieval": "response"}[kind]
    assert len(streamed.text(node)) < 100
    assert "".join(streamed.text(node)) == tokens(200)
    answer, expected = (await talk.messages())[-1], await unmerged.ainvoke("TOKENS:200")
    assert answer.content == expected.content == tokens(200)
    for field in ("usage_metadata", "response_metadata", "additional_kwargs", "tool_calls"):
        assert getattr(answer, field) == getattr(expected, field)


async def test_at_a_natural_pace_a_token_is_a_chunk(thread: ThreadMaker) -> None:
    streamed = await thread(type="chatbot").run("TOKENS:8 DELAY:40")
    assert streamed.text("chatbot") == [f"tok{index} " for index in range(8)]


async def test_what_arrives_while_the_loop_is_busy_is_merged(openai: FakeOpenAI) -> None:
    chunks = []
    async for chunk in build_model(MODELS[DEFAULT_LABEL]).astream("TOKENS:40 DELAY:5"):
        if chunk.text:
            chunks.append(chunk.text)
        if len(chunks) == 1:
            time.sleep(0.5)  # noqa: ASYNC251
    assert "".join(chunks) == tokens(40)
    assert len(chunks) < 10


async def test_many_answers_at_once_are_looked_at_less_often(openai: FakeOpenAI) -> None:
    model = build_model(MODELS[DEFAULT_LABEL])

    async def pieces(question: str) -> list[str]:
        return [chunk.text async for chunk in model.astream(question) if chunk.text]

    # The others wait for their first token meanwhile, for as long as this takes.
    others = [asyncio.create_task(pieces("TOKENS:1 DELAY:60000")) for _ in range(150)]
    while not pause() >= 0.25:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    chunks = await pieces("TOKENS:100 DELAY:10")
    assert "".join(chunks) == tokens(100)
    # The beginning comes at once, all else every 0.25 s or later.
    assert chunks[0] == "tok0 "
    assert len(chunks) < 10
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    assert pause() == 0


async def test_what_has_still_to_begin_is_left_time(openai: FakeOpenAI) -> None:
    """Also by the only answer that is read yet."""
    with ExitStack() as runs:
        for _ in range(150):
            runs.enter_context(in_hand())
        model = build_model(MODELS[DEFAULT_LABEL])
        chunks = [chunk.text async for chunk in model.astream("TOKENS:100 DELAY:10") if chunk.text]
    assert "".join(chunks) == tokens(100)
    assert len(chunks) < 10


async def test_a_tool_call_is_merged(openai: FakeOpenAI, unmerged: ChatOpenAI) -> None:
    arguments = '{"query": "' + "é" * 300 + '"}'
    chunks = [chunk async for chunk in build_model(MODELS[DEFAULT_LABEL]).astream(f"TOOL:search {arguments}")]
    expected = await unmerged.ainvoke(f"TOOL:search {arguments}")
    assert len([chunk for chunk in chunks if chunk.tool_call_chunks]) < 20
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    (call,), (other,) = whole.tool_calls, expected.tool_calls
    assert call["args"] == other["args"] == {"query": "é" * 300}
    assert whole.response_metadata == expected.response_metadata


# How it ends


@pytest.mark.parametrize("question", ["RESET", "GARBAGE", "FAIL:400", "FAIL:500"])
async def test_a_failure_ends_as_it_did(question: str, openai: FakeOpenAI, unmerged: ChatOpenAI) -> None:
    merging = build_model(MODELS[DEFAULT_LABEL])
    assert isinstance(merging, ChatOpenAI)
    merging.root_async_client.max_retries = 0
    ends = []
    for model in (merging, unmerged):
        received: list[str] = []
        with pytest.raises(Exception) as raised:  # noqa: PT011
            await collect(model, question, received)
        ends.append(("".join(received), type(raised.value), str(raised.value)))
    assert ends[0] == ends[1]
    assert ends[0][0] == ("" if question.startswith("FAIL") else tokens(2))


async def collect(model: ChatOpenAI, question: str, received: list[str]) -> None:
    async for chunk in model.astream(question):
        received.append(chunk.text)


async def test_leaving_closes_the_connection_and_leaves_no_task(openai: FakeOpenAI) -> None:
    before = asyncio.all_tasks()
    stream = build_model(MODELS[DEFAULT_LABEL]).astream("TOKENS:40 DELAY:20")
    async for chunk in stream:
        if chunk.text:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    await left(openai)
    assert asyncio.all_tasks() == before


async def test_cancelling_closes_the_connection_and_leaves_no_task(openai: FakeOpenAI) -> None:
    before = asyncio.all_tasks()
    run = asyncio.create_task(build_model(MODELS[DEFAULT_LABEL]).ainvoke("TOKENS:40 DELAY:20"))
    await asyncio.sleep(0.2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await left(openai)
    assert asyncio.all_tasks() == before


async def left(openai: FakeOpenAI) -> None:
    """The server has seen the client leave, or it would have finished its answer by now."""
    await asyncio.sleep(1.5)
    (request,) = openai.requests()
    assert not request["finished"]


async def test_closing_ends_a_read_that_waits(openai: FakeOpenAI) -> None:
    async with httpx2.AsyncClient(transport=DeltaMergingTransport(httpx2.AsyncHTTPTransport())) as client:
        response = await client.send(ask(client, openai, "STALL"), stream=True)
        pieces = response.aiter_raw()
        await anext(pieces)
        waiting = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0.05)
        await response.aclose()
        with pytest.raises(httpx2.ReadError):
            await waiting


def ask(client: httpx2.AsyncClient, openai: FakeOpenAI, question: str, *, stream: bool = True) -> httpx2.Request:
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": question}]}
    return client.build_request("POST", f"{openai.base_url}/chat/completions", json=body)


# What is left alone


async def test_connections_are_used_again(openai: FakeOpenAI) -> None:
    ports = []

    async def note(response: httpx2.Response) -> None:
        ports.append(response.extensions["network_stream"].get_extra_info("client_addr"))

    clients = connections_to(openai.base_url)
    clients.asynchronous.event_hooks = {"response": [note]}
    try:
        for _ in range(3):
            assert (await build_model(MODELS[DEFAULT_LABEL]).ainvoke("TOKENS:50")).text == tokens(50)
    finally:
        clients.asynchronous.event_hooks = {}
    assert len(set(ports)) == 1


async def test_an_answer_that_is_not_streamed(openai: FakeOpenAI) -> None:
    async with httpx2.AsyncClient(transport=DeltaMergingTransport(httpx2.AsyncHTTPTransport())) as client:
        response = await client.send(ask(client, openai, "TOKENS:3", stream=False))
    assert response.json()["choices"][0]["message"]["content"] == tokens(3)


def test_a_blocking_caller(openai: FakeOpenAI) -> None:
    assert build_model(MODELS[DEFAULT_LABEL]).invoke("TOKENS:3").text == tokens(3)


class Canned(httpx2.AsyncBaseTransport):
    """Answers with events without end, 1000 bytes each; notes what it was asked and how many it gave."""

    def __init__(self, **headers: str) -> None:
        self.headers = {"content-type": "text/event-stream; charset=utf-8"} | headers
        self.body = Endless()
        self.asked: httpx2.Request | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked = request
        return httpx2.Response(200, headers=self.headers, stream=self.body)


class Endless(httpx2.AsyncByteStream):
    given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.given += 1
            yield b": " + b"x" * 996 + b"\n\n"


@pytest.mark.parametrize(
    ("path", "headers", "merged"),
    [
        ("chat/completions", {}, True),
        ("chat/completions", {"content-encoding": "identity"}, True),
        ("chat/completions", {"content-encoding": "gzip"}, False),
        ("chat/completions", {"content-type": "application/json"}, False),
        ("responses", {}, False),
    ],
)
async def test_which_responses_are_touched(path: str, headers: dict[str, str], merged: bool) -> None:
    canned = Canned(**headers)
    request = httpx2.Request("POST", f"http://provider/v1/{path}", headers={"accept-encoding": "gzip"})
    response = await DeltaMergingTransport(canned).handle_async_request(request)
    assert (response.stream is not canned.body) is merged
    assert canned.asked is not None
    assert canned.asked.headers["accept-encoding"] == ("gzip" if path == "responses" else "identity")


async def test_a_reader_that_stands_still_is_not_read_for() -> None:
    canned = Canned()
    request = httpx2.Request("POST", "http://provider/v1/chat/completions")
    response = await DeltaMergingTransport(canned).handle_async_request(request)
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    pieces = aiter(response.stream)
    await anext(pieces)
    await asyncio.sleep(0.05)
    assert 200 < canned.body.given < 1000
    await response.stream.aclose()


# Event loops


async def answer_and_close() -> str:
    said = (await build_model(MODELS[DEFAULT_LABEL]).ainvoke("TOKENS:3")).text
    await aclose()
    return said


def test_loops_in_threads_share_a_model(openai: FakeOpenAI) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: asyncio.run(answer_and_close()), range(8)))
    assert answers == [tokens(3)] * 8


async def test_closing_in_one_loop_leaves_the_others_be(openai: FakeOpenAI) -> None:
    run = asyncio.create_task(build_model(MODELS[DEFAULT_LABEL]).ainvoke("TOKENS:10 DELAY:20"))
    await asyncio.sleep(0.05)
    assert await asyncio.to_thread(asyncio.run, answer_and_close()) == tokens(3)
    assert (await run).text == tokens(10)


async def test_a_loop_that_ended_is_forgotten(openai: FakeOpenAI) -> None:
    made: list[Canned] = []

    def make() -> Canned:
        made.append(Canned())
        return made[-1]

    transport = LoopTransport(make)
    request = httpx2.Request("POST", "http://provider/v1/chat/completions")

    def visit() -> None:
        asyncio.run(transport.handle_async_request(request))

    await asyncio.to_thread(visit)
    await asyncio.to_thread(visit)
    for _ in range(2):
        await transport.handle_async_request(request)
    assert len(made) == 3
    await transport.aclose()
    await transport.handle_async_request(request)
    assert len(made) == 4


# Proxies


async def test_the_environments_proxy_is_used(openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", openai.base_url.removeprefix("http://").removesuffix("/v1"))
    clients = connections_to("http://provider.invalid/v1")
    response = await clients.asynchronous.post("http://provider.invalid/v1/chat/completions", json={})
    assert "http://provider.invalid/v1/chat/completions" in response.text  # the proxy's words
    await clients.aclose()


async def test_no_proxy_is_heeded(openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    clients = connections_to(f"{openai.base_url}/")
    assert (await clients.asynchronous.get(f"{openai.base_url}/models")).status_code == 200
    await clients.aclose()
