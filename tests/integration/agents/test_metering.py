"""What the model calls of a run are counted as, with the events that the real client and real graphs give."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage

from agents import graphs
from agents.config import parse_config
from agents.context_window import estimated_tokens
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.metering import UsageMeter
from agents.language_models.usage import Usage
from agents.retrieval import RunContext
from tests.services import FakeOpenAI

pytestmark = pytest.mark.once

ENTRY = MODELS[DEFAULT_LABEL]
# What the fake model counts for every prompt.
PROMPT = 10


def begun(*texts: str, context: RunContext | None = None, **configurable: Any) -> tuple[UsageMeter, Any]:
    """A meter, and the run that it counts, still to be awaited."""
    meter = UsageMeter()
    meter.entry = ENTRY
    graph = graphs.graph_for(parse_config({"configurable": {"type": "chatbot", **configurable}}), ENTRY)
    given = {"messages": [("user", text) for text in texts]}
    return meter, graph.ainvoke(given, {"callbacks": [meter]}, context=context)


def used(meter: UsageMeter) -> Usage:
    spending = meter.spending()
    assert spending is not None
    return spending.usage


def prompt_of(text: str, system: str = "You are a helpful assistant.") -> int:
    return estimated_tokens(system) + estimated_tokens(text)


@pytest.mark.parametrize("kind", ["agent", "chatbot", "chat_retrieval"])
async def test_the_providers_count(openai: FakeOpenAI, kind: str) -> None:
    meter, run = begun("TOKENS:7", type=kind)
    await run
    spending = meter.spending()
    assert spending is not None
    assert spending.usage == Usage(PROMPT, 7)
    assert spending.cost == Usage(PROMPT, 7).cost(ENTRY)


async def test_the_hidden_calls_count(openai: FakeOpenAI) -> None:
    class Shelf:
        async def is_empty(self) -> bool:
            return False

        async def __call__(self, query: str) -> list[Document]:
            return [Document("found")]

    meter, run = begun("one", "TOKENS:2", context=RunContext(retriever=Shelf()), type="chat_retrieval")
    await run
    assert len(openai.requests()) == 2
    assert used(meter).input_tokens == 2 * PROMPT


@pytest.mark.parametrize("streaming", [True, False])
async def test_without_a_count_it_is_estimated(openai: FakeOpenAI, streaming: bool) -> None:
    meter = UsageMeter()
    meter.entry = replace(ENTRY, input_price=None)
    model = build_model(ENTRY).model_copy(update={"streaming": streaming})
    answer = await model.ainvoke("NOUSAGE please", {"callbacks": [meter]})
    expected = Usage(estimated_tokens("NOUSAGE please"), estimated_tokens(answer.text), estimated=True)
    spending = meter.spending()
    assert spending is not None
    assert (spending.usage, spending.cost) == (expected, None)


async def test_a_tool_call_without_a_count_is_estimated_by_its_arguments(openai: FakeOpenAI) -> None:
    text = 'TOOL:search {"query": "NOUSAGE of herons in a long question"}'
    meter, run = begun(text)
    await run
    usage = used(meter)
    assert usage.estimated
    assert usage.output_tokens >= estimated_tokens('{"query": "NOUSAGE of herons in a long question"}')


async def test_an_answer_that_broke_off_is_estimated(openai: FakeOpenAI) -> None:
    meter, run = begun("RESET")
    with pytest.raises(Exception):  # noqa: B017, PT011  # whichever the client raises
        await run
    assert used(meter) == Usage(prompt_of("RESET"), estimated_tokens("tok0 tok1 "), estimated=True)


@pytest.mark.parametrize("text", ["STALL", "TOKENS:100 DELAY:20"])
async def test_an_answer_that_was_cancelled_is_estimated(openai: FakeOpenAI, text: str) -> None:
    meter, run = begun(text)
    task = asyncio.ensure_future(run)
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    usage = used(meter)
    assert (usage.input_tokens, usage.estimated) == (prompt_of(text), True)
    assert (usage.output_tokens > 0) == (text != "STALL")
    assert usage.output_tokens < 100 * estimated_tokens("tok00 ")


@pytest.mark.parametrize("text", ["FAIL:401", "FAIL:400"])
async def test_a_call_that_was_refused_used_nothing(openai: FakeOpenAI, text: str) -> None:
    meter, run = begun(text)
    with pytest.raises(Exception):  # noqa: B017, PT011
        await run
    assert used(meter) == Usage()


async def test_without_a_call_there_is_nothing_to_tell() -> None:
    meter = UsageMeter()
    meter.entry = ENTRY
    assert meter.spending() is None


async def test_an_image_is_not_counted_by_its_bytes(openai: FakeOpenAI) -> None:
    meter = UsageMeter()
    meter.entry = ENTRY
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    asked = HumanMessage([{"type": "text", "text": "NOUSAGE what is this?"}, image])
    await build_model(ENTRY).ainvoke([asked], {"callbacks": [meter]})
    assert used(meter).input_tokens == estimated_tokens("NOUSAGE what is this?")


async def test_runs_at_once_are_counted_apart(openai: FakeOpenAI) -> None:
    meters, runs = zip(*(begun(f"TOKENS:{number} DELAY:5") for number in range(1, 21)), strict=True)
    await asyncio.gather(*runs)
    assert [used(meter) for meter in meters] == [Usage(PROMPT, number) for number in range(1, 21)]
