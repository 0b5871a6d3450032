"""Runs of threads that are longer than what the model can read load no more than that, and answer as if they did."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from agents.context_window import ANSWER_TOKENS
from agents.graphs import aclose
from agents.language_models.reasoning import ReasoningChatOpenAI
from agents.models import LanguageModel
from agents.tools import toolset
from agents.tools.toolset import Toolset
from opengpts.db import in_database_thread
from runs import execution
from runs.event_log import INPUT_NODE
from tests.fakes import tools
from tests.integration.runs.talk import CONFIRMED, Talk
from tests.services import FakeOpenAI
from threads import checkpoint_reader
from threads.checkpoints import checkpoints_of
from threads.message_codec import decode_message

pytestmark = pytest.mark.django_db(transaction=True)

TURNS = 150
ADD = 'TOOL:add {"a": 1, "b": 2}'
Start = Callable[..., Awaitable[Talk]]


@pytest.fixture
async def talk(openai_server: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts long threads, with a model of a small window."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url
    opened = Toolset((tools.add,))

    async def open_tools(specs: Any) -> Toolset:
        return opened

    monkeypatch.setattr(toolset, "open_tools", open_tools)
    await in_database_thread(LanguageModel.objects.update, context_window=ANSWER_TOKENS + 2000)

    async def start(**configurable: Any) -> Talk:
        chat = await in_database_thread(lambda: Talk(**configurable))
        said = [
            message
            for turn in range(TURNS)
            for message in (
                {"type": "human", "id": f"q{turn}", "content": f"question {turn} {'x' * 100}"},
                {"type": "ai", "id": f"a{turn}", "content": f"answer {turn} {'x' * 100}"},
            )
        ]
        await chat.post(*said)
        openai_server.forget()
        return chat

    yield start
    await aclose()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that were read for graphs, as JSON."""
    read: list[str] = []

    def decode(data: str, *exact: Any) -> Any:
        read.append(data)
        return decode_message(data, *exact)

    monkeypatch.setattr(checkpoint_reader, "decode_message", decode)
    return read


def sent(server: FakeOpenAI) -> list[list[dict[str, Any]]]:
    """The messages of each request to the model since the last call."""
    requests = [request["body"]["messages"] for request in server.requests()]
    server.forget()
    return requests


@pytest.mark.parametrize("kind", ["chatbot", "agent", "chat_retrieval"])
async def test_a_run_loads_what_the_model_reads_and_sends_the_same(
    talk: Start, openai_server: FakeOpenAI, loaded: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    chat = await talk(type=kind)
    assert (await chat.run("what now?")).run.status == "success"
    assert 0 < len(loaded) < TURNS
    (messages,) = sent(openai_server)
    assert 20 < len(messages) < len(loaded) + 3
    said = await chat.said()
    assert len(said) == 2 * TURNS + (4 if kind == "chat_retrieval" else 2)
    assert [content.split()[1] for _, content in said[: 2 * TURNS]] == [str(n // 2) for n in range(2 * TURNS)]
    # The same thread, loaded whole.
    other = await talk(type=kind)
    monkeypatch.setattr(execution, "reach_of", lambda *_: None)
    assert (await other.run("what now?")).run.status == "success"
    assert sent(openai_server) == [messages]
    assert await other.said() == said


async def test_an_agent_uses_tools_and_asks_first(talk: Start, loaded: list[str]) -> None:
    chat = await talk(**CONFIRMED)
    assert (await chat.run(ADD)).run.status == "interrupted"
    assert (await chat.decide({"type": "approve"})).run.status == "success"
    # Both runs together.
    assert len(loaded) < 2 * TURNS
    said = await chat.said()
    assert len(said) == 2 * TURNS + 4
    assert [kind for kind, _ in said[-4:]] == ["human", "ai", "tool", "ai"]


async def test_an_old_message_can_be_said_anew(talk: Start, openai_server: FakeOpenAI) -> None:
    chat = await talk(type="chatbot")
    anew = {"type": "human", "id": "q3", "content": "anew"}
    done = await chat.run(input=[anew, {"type": "human", "content": "well?"}])
    assert done.run.status == "success"
    said = await chat.said()
    assert said[6] == ("human", "anew")
    assert said[-2:] == [("human", "well?"), ("ai", "Echo: well?")]
    assert len(said) == 2 * TURNS + 2
    assert len(sent(openai_server)) == 1


async def test_a_run_goes_on_from_an_old_state(talk: Start) -> None:
    chat = await talk(type="chatbot")
    posted = await in_database_thread(checkpoints_of(UUID(chat.thread)).first)
    assert posted
    await chat.run("one")
    done = await chat.run("two", config={"configurable": {"checkpoint_id": posted.checkpoint_id}})
    assert done.run.status == "success"
    said = await chat.said()
    assert [content for _, content in said[2 * TURNS :]] == ["two", "Echo: two"]


async def test_a_model_that_calls_its_answers_as_it_called_old_ones(
    talk: Start, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old message is replaced, as in a short thread, and the model is asked once."""
    convert = ReasoningChatOpenAI._convert_chunk_to_generation_chunk

    def named(self: Any, *args: Any) -> Any:
        generation = convert(self, *args)
        if generation is not None:
            generation.message.id = "a5"
        return generation

    monkeypatch.setattr(ReasoningChatOpenAI, "_convert_chunk_to_generation_chunk", named)
    chat = await talk(type="chatbot")
    done = await chat.run("what now?")
    assert done.run.status == "success"
    said = await chat.said()
    assert len(said) == 2 * TURNS + 1
    assert said[11] == ("ai", "Echo: what now?")
    assert len(sent(openai_server)) == 1
    (answer,) = [message for message in await done.streamed() if message["id"] == "a5"]
    assert answer["content"] == "Echo: what now?"


async def test_a_notice_that_was_given_long_ago_is_not_given_again(
    talk: Start, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has to look for it begins again with the whole thread."""
    problem = "The tool is away."
    opened = Toolset((), (problem,))

    async def open_tools(specs: Any) -> Toolset:
        return opened

    monkeypatch.setattr(toolset, "open_tools", open_tools)
    chat = await talk(**{"type==agent/tools": ["retrieval"]})
    assert (await chat.run("one")).run.status == "success"
    assert (await chat.said()).count(("ai", problem)) == 1
    await chat.post(*({"type": kind, "content": "x" * 200} for _ in range(TURNS) for kind in ("human", "ai")))
    done = await chat.run("two")
    assert done.run.status == "success"
    said = await chat.said()
    assert said.count(("ai", problem)) == 1
    assert said[-2:] == [("human", "two"), ("ai", "Echo: two")]
    # What it was asked is told once, though it has begun twice.
    nodes = [entry.data["node"] for entry in await done.entries() if entry.method == "updates"]
    assert nodes.count(INPUT_NODE) == 1
    assert len(sent(openai_server)) == 2
