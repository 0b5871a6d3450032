"""Graphs that run against the stand-in for OpenAI."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from pytest_django import Settings

from agents import graphs
from agents.config import parse_config
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.retrieval import RunContext
from tests.services import FakeOpenAI


@pytest.fixture
async def openai(settings: Settings, openai_server: FakeOpenAI) -> AsyncIterator[FakeOpenAI]:
    """Settings that lead to the stand-in, and nothing kept from another test's settings or event loop."""
    settings.OPENAI_API_KEY = "a-key"
    settings.OPENAI_BASE_URL = openai_server.base_url
    graphs.clear_cache()
    yield openai_server
    await graphs.aclose()


@dataclass
class Streamed:
    """What a run streamed: `(mode, node, message)` in order, `message` None for an update without messages."""

    events: list[tuple[str, str, BaseMessage | None]] = field(default_factory=list)

    def text(self, node: str) -> list[str]:
        """The pieces of text that came from `node`, empty ones left out."""
        chunks = [m for mode, name, m in self.events if mode == "messages" and name == node]
        return [m.text for m in chunks if isinstance(m, AIMessageChunk) and m.text]

    def order(self) -> list[tuple[str, str]]:
        """The modes and nodes in order, each run of equal ones once."""
        order: list[tuple[str, str]] = []
        for mode, node, _ in self.events:
            if order[-1:] != [(mode, node)]:
                order.append((mode, node))
        return order


class Thread:
    """A thread in memory, talking to an assistant."""

    def __init__(self, context: RunContext | None = None, **configurable: Any) -> None:
        self.context = context
        self.saver = InMemorySaver()
        self.become(**configurable)

    def become(self, **configurable: Any) -> None:
        """Change the assistant."""
        config = parse_config({"configurable": configurable})
        graph = graphs.graph_for(config, MODELS[config.model or DEFAULT_LABEL])
        self.graph = graph.copy(update={"checkpointer": self.saver})

    async def run(self, *texts: str) -> Streamed:
        """Run with these human messages as input."""
        streamed = Streamed()
        config: Any = {"configurable": {"thread_id": "thread"}}
        given = {"messages": [{"role": "user", "content": text} for text in texts]}
        events: AsyncIterator[Any] = self.graph.astream(
            given, config, context=self.context, stream_mode=["messages", "updates"]
        )
        async for mode, data in events:
            if mode == "messages":
                message, metadata = data
                streamed.events.append((mode, metadata["langgraph_node"], message))
                continue
            for node, update in data.items():
                messages = (update or {}).get("messages") or [None]
                streamed.events += [(mode, node, message) for message in messages]
        return streamed

    async def messages(self) -> list[BaseMessage]:
        state = await self.graph.aget_state({"configurable": {"thread_id": "thread"}})
        assert state.next == ()
        return list(state.values["messages"])


ThreadMaker = Callable[..., Thread]


@pytest.fixture
def thread(openai: FakeOpenAI) -> ThreadMaker:
    """Makes threads: `thread(**configurable)`."""
    return Thread
