"""Streams of an agent that asks before it uses its tool, against the original's (`tests/golden/sse/interrupt_*`).

What differs, beside ids: newer LangChain does not repeat the tool calls in `additional_kwargs`, and names the
provider and the usage in the metadata. Everything else, the order of keys too, must be the same.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.tools import StructuredTool

from agents.graphs import aclose
from agents.tools import toolset
from agents.tools.toolset import Toolset
from opengpts.db import in_database_thread
from runs.opengpts_stream import OpenGPTsProjection, encode_event
from tests.integration.golden_replay import read_stream
from tests.integration.golden_streams import summarise
from tests.integration.runs.talk import CONFIRMED, Doing, Talk
from tests.services import FakeOpenAI

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND = (read_stream(f"interrupt_{name}.txt") for name in ("stream_1", "resume_null"))
KNOWN = {message["id"] for message in summarise(FIRST, set())[0]["messages"]}
URL = summarise(SECOND, KNOWN)[0]["messages"][0]["content"]


async def draw(**arguments: Any) -> str:
    """Draw a picture."""
    return str(URL)


ARGUMENTS = {"type": "object", "properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"]}
PAINTER = StructuredTool.from_function(coroutine=draw, name="Dall-E-Image-Generator", args_schema=ARGUMENTS)


@pytest.fixture
async def chat(openai_server: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url

    async def open_tools(specs: Any) -> Toolset:
        return Toolset((PAINTER,))

    monkeypatch.setattr(toolset, "open_tools", open_tools)
    yield await in_database_thread(lambda: Talk(**CONFIRMED))
    await aclose()


async def stream_of(doing: Doing) -> str:
    """What `/runs/stream` would have sent."""
    events = OpenGPTsProjection().project(await doing.entries())
    return b"".join([encode_event("metadata", {"run_id": str(doing.run.pk)}), *events]).decode()


def comparable(stream: str, known: set[str]) -> dict[str, Any]:
    """The stream without its ids, and without what differs."""
    summary, _ = summarise(stream, known)
    del summary["run_id"]
    for message in summary["messages"]:
        assert message["id"]
        for key in {"id", "additional_kwargs", "response_metadata", "usage_metadata", "tool_call_id"} & message.keys():
            message[key] = None
        for call in message.get("tool_calls", []):
            call["id"] = None
        # Their order is compared as well.
        message["keys"] = list(message)
    return summary


async def test_a_run_that_stops_and_goes_on(chat: Talk) -> None:
    [asked, _] = summarise(FIRST, set())[0]["messages"]
    first = await chat.run(asked["content"])
    assert comparable(await stream_of(first), set()) == comparable(FIRST, set())
    assert first.run.status == "interrupted"
    second = await chat.run()
    assert comparable(await stream_of(second), set()) == comparable(SECOND, KNOWN)
    assert second.run.status == "success"
