"""Merging deltas changes how many there are, and nothing of what they add up to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from pydantic import SecretStr

from agents.language_models.delta_merging import DeltaMerger, DeltaMergingTransport

pytestmark = pytest.mark.once

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o"}


def event(value: Any, *, ascii_only: bool = True) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=ascii_only).encode() + b"\n\n"


def chunk(delta: Any, /, *, index: int = 0, finish: str | None = None, logprobs: Any = None, **head: Any) -> Any:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return {**HEAD, "choices": [choice], **head}


def said(text: str) -> bytes:
    return event(chunk({"content": text}))


def fragment(arguments: str, index: int = 0, **call: Any) -> Any:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}, **call}]})


def opening(index: int) -> bytes:
    function = {"name": f"tool{index}", "arguments": ""}
    return event(
        chunk({"tool_calls": [{"index": index, "id": f"call{index}", "type": "function", "function": function}]})
    )


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}], "refusal": None}
CLOSING = event(chunk({}, finish="stop")) + event({**HEAD, "choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"


# What is merged


def test_texts_become_one() -> None:
    merged = DeltaMerger().feed(said("a") + said("\u2028") + said('"é\n') + CLOSING)
    assert merged.endswith(CLOSING)
    assert parsed(merged.removesuffix(CLOSING)) == [chunk({"content": 'a\u2028"é\n'})]


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        (fragment('{"a'), fragment('": 1}'), fragment('{"a": 1}')),
        (fragment("a", index=1, type="function"), fragment("b", index=1, type="function"), None),
        (chunk({"role": "assistant", "content": "a"}), chunk({"role": "assistant", "content": "b"}), None),
        (chunk({"content": "a", "refusal": None}), chunk({"content": "b", "refusal": None}), None),
        (chunk({"content": "a"}, usage=None), chunk({"content": "b"}, usage=None), None),
        (chunk({"content": "a"}, index=1), chunk({"content": "b"}, index=1), None),
        (chunk({"content": "a"}, obfuscation="xy"), chunk({"content": "b"}, obfuscation="z"), chunk({"content": "ab"})),
    ],
)
def test_neighbours_that_differ_only_in_their_texts_become_one(first: Any, second: Any, merged: Any) -> None:
    (one,) = parsed(DeltaMerger().feed(event(first) + event(second)))
    assert one == (merged or json.loads(json.dumps(first).replace('"a"', '"ab"')))


def parsed(data: bytes) -> list[Any]:
    return [json.loads(line.removeprefix(b"data: ")) for line in data.split(b"\n\n")[:-1]]


NEVER_MERGED: list[Any] = [
    chunk({"content": "a"}, finish="stop"),
    chunk({"content": "a"}, usage=USAGE),
    chunk({"content": "a"}, logprobs=LOGPROBS),
    chunk({"content": "a", "refusal": "no"}),
    chunk({"content": "a", "reasoning_content": "hm"}),
    chunk({"content": None}),
    chunk({}),
    chunk({"content": "a", "tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}),
    chunk({"tool_calls": []}),
    chunk({"tool_calls": [{"index": i, "function": {"arguments": "x"}} for i in (0, 1)]}),
    fragment("a", id="call0"),
    chunk({"tool_calls": [{"index": 0, "function": {"name": "t", "arguments": "x"}}]}),
    chunk({"content": "a"}, unknown="x"),
    chunk({"content": "a"}, created=1.5),
    chunk({"content": "a"}, created=2**70),
    {**chunk({"content": "a"}), "choices": chunk({"content": "a"})["choices"] * 2},
    {**HEAD, "choices": [], "usage": USAGE},
    {"error": {"message": "overloaded"}},
    [],
    7,
]


@pytest.mark.parametrize("value", NEVER_MERGED)
def test_all_else_passes_byte_for_byte(value: Any) -> None:
    data = event(value) * 3
    assert DeltaMerger().feed(data) == data


@pytest.mark.parametrize(
    "data",
    [
        b"data: {not JSON}\n\n" * 2,
        b"data: [DONE]\n\n" * 2,
        b": comment\n\n" * 2,
        b"event: x\n" + said("a") + b"event: x\n" + said("b"),
        b"\n" + said("a") + b"\n" + said("b"),
        (said("a") + said("b")).replace(b"\n", b"\r\n"),
        (said("a") + said("b")).replace(b"\n", b"\r"),
        event(chunk({"content": "\ud83d"})) + event(chunk({"content": "\ude00"})),
        said("a").replace(b'"a"', b'"\xff"') * 2,
        said("a").replace(b"{", b"{\n", 1) * 2,
    ],
)
def test_what_is_no_plain_delta_passes_byte_for_byte(data: bytes) -> None:
    assert DeltaMerger().feed(data) == data


def test_neighbours_that_differ_in_more_stay_apart() -> None:
    texts = [{"content": "a"}, {"role": "assistant", "content": "a"}]
    heads: list[dict[str, Any]] = [
        {},
        {"created": 1},
        {"model": "x"},
        {"system_fingerprint": "y"},
        {"index": 1},
        {"service_tier": "z"},
    ]
    data = b"".join(event(chunk(delta, **head)) for delta in texts for head in heads)
    data += event(fragment("a")) + event(fragment("a", index=1)) + said("a")
    assert DeltaMerger().feed(data) == data


# When it is passed on


def test_a_single_event_passes_as_it_is() -> None:
    merger = DeltaMerger()
    assert [merger.feed(said(text)) for text in "abc"] == [said(text) for text in "abc"]


def test_only_an_event_that_is_not_complete_waits() -> None:
    merger = DeltaMerger()
    whole = said("b")
    assert merger.feed(said("a") + whole[:10]) == said("a")
    assert merger.feed(whole[10:-1]) == b""
    assert merger.feed(whole[-1:]) == whole
    assert merger.feed(whole[:10]) == b""
    assert merger.flush() == whole[:10]
    assert merger.flush() == b""


def test_an_endless_event_does_not_wait() -> None:
    merger = DeltaMerger()
    given = [b"x" * 1024 * 512] * 4
    assert b"".join(map(merger.feed, given)) == b"".join(given)


# What it adds up to


class Replay(httpx2.AsyncBaseTransport):
    """Answers every request with the pieces of `reads`, those of one read at once. Then breaks, if `broken`."""

    reads: list[list[bytes]]
    broken: bool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(self.reads, self.broken))


class Body(httpx2.AsyncByteStream):
    def __init__(self, reads: list[list[bytes]], broken: bool) -> None:
        self.reads, self.broken = reads, broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, pieces in enumerate(self.reads):
            for piece in pieces:
                yield piece
            # A few turns of the loop, or none.
            for _ in range(number % 4 * 3):
                await asyncio.sleep(0)
        if self.broken:
            raise httpx2.ReadError("broken")


REPLAY = Replay()


def chat_model(transport: httpx2.AsyncBaseTransport) -> ChatOpenAI:
    return ChatOpenAI(
        model="gpt-4o",
        api_key=SecretStr("x"),
        base_url="http://provider/v1",
        max_retries=0,
        http_async_client=httpx2.AsyncClient(transport=transport),
    )


PLAIN, MERGING = chat_model(REPLAY), chat_model(DeltaMergingTransport(REPLAY))


@contextmanager
def noted(outcome: dict[str, Any]) -> Iterator[None]:
    """Notes an error in the outcome."""
    try:
        yield
    except Exception as exc:
        outcome["error"] = (type(exc), str(exc))


async def message_of(model: ChatOpenAI) -> dict[str, Any]:
    """What LangChain adds up, and the error that ended it."""
    chunks: list[Any] = []
    outcome: dict[str, Any] = {}
    with noted(outcome):
        async for received in model.astream("question"):
            chunks.append(received)
    if chunks:
        outcome |= reduce(add, chunks).model_dump(exclude={"id"})
    return outcome


async def completion_of(model: ChatOpenAI) -> dict[str, Any]:
    """What openai adds up, and the error that ended it."""
    client: openai.AsyncOpenAI = model.root_async_client
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    outcome: dict[str, Any] = {"chunks": 0}
    with noted(outcome):
        question: Any = [{"role": "user", "content": "question"}]
        async for received in await client.chat.completions.create(model="gpt-4o", messages=question, stream=True):
            state.handle_chunk(received)
            outcome["chunks"] += 1
    if outcome["chunks"]:
        outcome["completion"] = state.current_completion_snapshot.model_dump(exclude={"obfuscation"})
    for choice in outcome.get("completion", {}).get("choices", []):
        del choice["message"]["role"]  # openai adds up the role too: "assistantassistant"
    return outcome


texts = st.text(max_size=4) | st.sampled_from([" ", "\u2028", "\x85", '"', "\\", "\n\n", "data: ", "[DONE]"])


def run_of(make: Callable[[str], Any]) -> st.SearchStrategy[list[bytes]]:
    """Neighbours of one kind."""
    return st.lists(
        st.builds(lambda text, plain: event(make(text), ascii_only=plain), texts, st.booleans()), max_size=6
    )


regular = st.one_of(
    run_of(lambda text: chunk({"content": text})),
    run_of(lambda text: chunk({"content": text}, obfuscation=text)),
    run_of(lambda text: chunk({"content": text}, created=1700000000 + len(text))),
    run_of(lambda text: chunk({"content": text}, logprobs=LOGPROBS)),
    run_of(lambda text: chunk({"refusal": text})),
    run_of(lambda text: fragment(text)),
    run_of(lambda text: fragment(text, index=len(text) % 2)),
    run_of(lambda text: fragment(text, type="function")),
    run_of(lambda text: chunk({"content": text, "tool_calls": [{"index": 0, "function": {"arguments": text}}]})),
)
irregular = st.one_of(
    st.sampled_from(NEVER_MERGED).flatmap(lambda value: st.lists(st.just(event(value)), max_size=3)),
    run_of(lambda text: chunk({"role": "assistant", "content": text})),
    run_of(lambda text: chunk({"content": text}, usage=USAGE)),
    run_of(lambda text: chunk({"content": text}, index=1)),
    run_of(lambda text: chunk({"content": text}, finish="stop")),
    run_of(lambda text: chunk({"content": text, "function_call": {"name": "", "arguments": text}})),
    run_of(lambda text: fragment(text, id="call0")),
    st.lists(
        st.sampled_from(
            [
                *(b": comment\n\n", b"\n", b"\r\n", b"id: 4\n", b"event: x\n", b"retry: 9\n", b"data: null\n"),
                *(b": half", b"data: {not JSON}\n\n", b"\xff\n\n", said("a").replace(b"{", b"{\n", 1)),
            ]
        ),
        max_size=2,
    ),
)


@st.composite
def answers(draw: st.DrawFn, *, sound: bool) -> tuple[list[list[bytes]], bool]:
    """Reads and whether the connection then breaks. `sound`: as the API defines them, but cut off anywhere."""
    parts = draw(st.lists(regular if sound else regular | irregular, max_size=6))
    start = event(chunk({"role": "assistant", "content": ""})) + opening(0) + opening(1)
    end = draw(st.sampled_from([CLOSING, event(chunk({}, finish="tool_calls")), b""]))
    data = b"".join([start, *(event for part in parts for event in part), end])
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    reads = [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]
    # Pieces: as the transfer encoding has them, an event each, or whatever is in a read.
    by_event = draw(st.booleans())
    return [read.splitlines(keepends=True) if by_event else [read] for read in reads], draw(st.booleans())


junk = st.lists(st.binary(max_size=6) | st.sampled_from([b"\n", b"\n\n", b"data: ", b"\r\n"]), max_size=5)


@settings(deadline=None)
@given(st.lists(junk, max_size=5))
async def test_any_bytes_come_through(reads: list[list[bytes]]) -> None:
    REPLAY.reads, REPLAY.broken = reads, False
    async with httpx2.AsyncClient(transport=DeltaMergingTransport(REPLAY)) as client:
        response = await client.post("http://provider/v1/chat/completions")
    assert response.content == b"".join(piece for pieces in reads for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(answers(sound=False))
async def test_langchain_gets_the_same_message(answer: tuple[list[list[bytes]], bool]) -> None:
    REPLAY.reads, REPLAY.broken = answer
    assert await message_of(MERGING) == await message_of(PLAIN)


@settings(max_examples=100, deadline=None)
@given(answers(sound=True))
async def test_openai_gets_the_same_completion(answer: tuple[list[list[bytes]], bool]) -> None:
    REPLAY.reads, REPLAY.broken = answer
    merged, plain = await completion_of(MERGING), await completion_of(PLAIN)
    assert merged.pop("chunks") <= plain.pop("chunks")
    assert merged == plain


async def test_what_arrives_together_is_fewer_chunks() -> None:
    REPLAY.reads, REPLAY.broken = [[said(text) for text in "abcdef"], [CLOSING]], False
    assert (await completion_of(PLAIN))["chunks"] == 8
    assert (await completion_of(MERGING))["chunks"] == 3
