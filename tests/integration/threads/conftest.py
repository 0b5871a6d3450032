"""Threads and graphs. The graphs are real; only what their nodes do is made up."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from accounts.models import User
from threads.models import Thread
from threads.saver import DjangoSaver


@pytest.fixture
def thread(transactional_db: None) -> Thread:
    return Thread.objects.create(owner=User.objects.create(username="alice"), name="t")


class Echo:
    """A graph of one node that says what it hears. `seen` are the texts that it was shown last; it fails if told to."""

    def __init__(self, **compile: Any) -> None:
        self.seen: list[Any] = []
        self.fails = False
        graph = StateGraph(MessagesState)
        graph.add_node("agent", self._answer)
        graph.add_edge(START, "agent")
        graph.add_edge("agent", END)
        self.graph = graph.compile(**compile)

    async def _answer(self, state: MessagesState) -> dict[str, Sequence[BaseMessage]]:
        self.seen = [message.content for message in state["messages"]]
        if self.fails:
            raise RuntimeError("the model is gone")
        return {"messages": [AIMessage(f"echo {self.seen[-1]}")]}


@pytest.fixture
def echo() -> Echo:
    return Echo()


ConfigOf = Callable[[str], RunnableConfig]


@pytest.fixture
def config(thread: Thread) -> ConfigOf:
    """The config of one run of the thread."""
    return lambda run_id: {"configurable": {"thread_id": str(thread.pk)}, "metadata": {"run_id": run_id}}


Run = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def run(config: ConfigOf) -> Run:
    """Run a graph on the thread as a run of its own, over a saver of its own."""
    count = 0

    async def run_graph(graph: Any, *messages: Any, durability: str = "async") -> dict[str, Any]:
        nonlocal count
        count += 1
        runnable = graph.copy(update={"checkpointer": DjangoSaver()})
        return await runnable.ainvoke({"messages": list(messages)}, config(f"run-{count}"), durability=durability)

    return run_graph
