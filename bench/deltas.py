"""What streaming costs with the merging of deltas and without: `ChatOpenAI.astream` alone, and a whole graph.

The model is a local server, a process of its own, that answers as fast as it is read, or at a pace. Both sides take
turns in one run. CPU is that of this process, which holds the clients only.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import uvloop
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.services import FakeOpenAI

TOKENS = 200
REPEATS = 3
FAST_STREAMS = (1, 8, 32)
PACE = 10  # milliseconds per token of each stream
PACED_STREAMS = (1, 32, 128)
NAMES = ("each", "merged")

Stream = Callable[[str], AsyncIterator[Any]]


@dataclass
class Cost:
    """Of one round of streams: microseconds of CPU per token, seconds until all were done, tokens per chunk."""

    cpu: float
    wall: float
    tokens_per_chunk: float


def chat_model(base_url: str, *, merging: bool) -> ChatOpenAI:
    """A model as the server makes it, over a transport that merges or does not."""
    from agents.language_models.delta_merging import DeltaMergingTransport

    transport: httpx2.AsyncBaseTransport = httpx2.AsyncHTTPTransport(limits=openai.DEFAULT_CONNECTION_LIMITS)
    if merging:
        transport = DeltaMergingTransport(transport)
    return ChatOpenAI(
        model="gpt-3.5-turbo",
        api_key=SecretStr("x"),
        base_url=base_url,
        streaming=True,
        stream_usage=True,
        http_async_client=openai.DefaultAsyncHttpxClient(transport=transport),
    )


def model_stream(model: ChatOpenAI) -> Stream:
    async def stream(question: str) -> AsyncIterator[Any]:
        async for chunk in model.astream([HumanMessage(question)]):
            yield chunk

    return stream


def graph_stream(model: ChatOpenAI) -> Stream:
    from agents.architectures.chatbot import build
    from agents.config import AgentConfig
    from agents.language_models.builtin_models import DEFAULT_LABEL
    from agents.language_models.catalogue import MODELS

    graph = build(AgentConfig(), model, MODELS[DEFAULT_LABEL])

    async def stream(question: str) -> AsyncIterator[Any]:
        given = {"messages": [HumanMessage(question)]}
        async for chunk, _ in graph.astream(given, stream_mode="messages"):
            yield chunk

    return stream


async def read(stream: Stream, question: str) -> int:
    """How many chunks with text the answer came in. Raises RuntimeError unless it is whole."""
    chunks = [chunk async for chunk in stream(question) if isinstance(chunk, AIMessageChunk) and chunk.text]
    if "".join(chunk.text for chunk in chunks) != "".join(f"tok{index} " for index in range(TOKENS)):
        raise RuntimeError("the answer is not whole")
    return len(chunks)


async def measure(stream: Stream, question: str, streams: int) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    chunks = sum(await asyncio.gather(*(read(stream, question) for _ in range(streams))))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    tokens = streams * TOKENS
    return Cost(cpu * 1e6 / tokens, wall, tokens / chunks)


async def compare(subjects: dict[str, Stream], question: str, streams: int) -> dict[str, Cost]:
    """The medians of each subject, taking turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in subjects}
    for _ in range(REPEATS):
        for name, stream in subjects.items():
            costs[name].append(await measure(stream, question, streams))
    return {
        name: Cost(*(statistics.median(getattr(cost, field) for cost in seen) for field in Cost.__annotations__))
        for name, seen in costs.items()
    }


def show(what: str, streams: int, costs: dict[str, Cost]) -> None:
    each, merged = (costs[name] for name in NAMES)
    cpu = f"CPU {each.cpu:6.1f} -> {merged.cpu:6.1f} us/token, x {each.cpu / merged.cpu:3.1f}"
    wall = f"wall {each.wall * 1000:6.0f} -> {merged.wall * 1000:6.0f} ms, x {each.wall / merged.wall:3.1f}"
    print(f"{what:33} {streams:3} at once: {cpu}; {wall}; {merged.tokens_per_chunk:5.1f} tokens a chunk", flush=True)


async def main() -> None:
    makers: dict[str, Callable[[ChatOpenAI], Stream]] = {
        "ChatOpenAI.astream": model_stream,
        "graph.astream": graph_stream,
    }
    paces = {
        "": (f"TOKENS:{TOKENS}", FAST_STREAMS),
        f", {PACE} ms a token": (f"TOKENS:{TOKENS} DELAY:{PACE}", PACED_STREAMS),
    }
    with FakeOpenAI() as server:
        models = {name: chat_model(server.base_url, merging=name == "merged") for name in NAMES}
        for pace, (question, numbers) in paces.items():
            for what, make in makers.items():
                subjects = {name: make(model) for name, model in models.items()}
                await compare(subjects, f"TOKENS:{TOKENS}", 1)  # warm up
                for streams in numbers:
                    show(what + pace, streams, await compare(subjects, question, streams))


if __name__ == "__main__":
    uvloop.run(main())
