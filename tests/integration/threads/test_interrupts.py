"""What a thread waits to be told: questions of real agents, and of graphs made up."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Interrupt, interrupt

from agents.confirmation import CONFIRMATION_NODE
from agents.graphs import aclose
from agents.tools import toolset
from agents.tools.toolset import Toolset
from opengpts.db import in_database_thread
from tests.fakes import tools
from tests.integration.runs.talk import CONFIRMED, Talk
from tests.integration.threads.conftest import ConfigOf
from tests.services import FakeOpenAI
from threads.interrupts import INTERRUPT, PendingInterrupt, find_interrupt, pending_interrupts
from threads.models import Checkpoint, CheckpointWrite, Thread
from threads.saver import DjangoSaver
from threads.state import append_messages, read_history, read_step

pytestmark = pytest.mark.django_db(transaction=True)

ADD = 'TOOL:add {"a": 1, "b": 2}'

Waiting = Callable[..., Awaitable[tuple[Talk, Thread]]]


@pytest.fixture
async def waiting(openai_server: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Waiting]:
    """Makes threads whose agent waits for a decision on its calls."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url
    opened = Toolset((tools.add, tools.failing, tools.slow))

    async def open_tools(specs: Any) -> Toolset:
        return opened

    monkeypatch.setattr(toolset, "open_tools", open_tools)

    async def wait(text: str = ADD) -> tuple[Talk, Thread]:
        talk = await in_database_thread(lambda: Talk(**CONFIRMED))
        assert (await talk.run(text)).run.status == "interrupted"
        return talk, Thread(pk=uuid.UUID(talk.thread))

    yield wait
    await aclose()


async def pending(thread: Thread) -> list[PendingInterrupt]:
    return await in_database_thread(pending_interrupts, thread)


async def found(thread: Thread, interrupt_id: str) -> PendingInterrupt | None:
    return await in_database_thread(find_interrupt, thread, interrupt_id)


async def edit(talk: Talk, **args: Any) -> None:
    """Post the AI message with other arguments for its call."""
    message = (await talk.messages())[1]
    message["tool_calls"][0]["args"] = args
    await talk.post(message)


async def test_an_empty_thread_waits_for_nothing(thread: Thread) -> None:
    assert await pending(thread) == []
    assert await found(thread, "x") is None


async def test_what_a_confirmed_agent_asks(waiting: Waiting) -> None:
    _, thread = await waiting(f"{ADD} {ADD}")
    [asked] = await pending(thread)
    actions = asked.value["action_requests"]
    assert [(action["name"], action["args"]) for action in actions] == [("add", {"a": 1, "b": 2})] * 2
    assert await found(thread, asked.id) == asked
    assert await found(thread, "another") is None
    _, other = await waiting()
    assert await found(other, asked.id) is None


async def test_it_is_the_id_that_the_run_told(waiting: Waiting) -> None:
    talk, thread = await waiting('LOOP:add {"a": 1, "b": 2}')
    [first] = await pending(thread)
    again = await talk.run()
    [second] = await pending(thread)
    assert [one["interrupt_id"] for one in await again.requested()] == [second.id] != [first.id]
    assert await found(thread, first.id) is None


async def test_answered_it_waits_no_longer(waiting: Waiting) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    assert (await talk.run()).run.status == "success"
    assert await pending(thread) == []
    assert await found(thread, asked.id) is None


async def test_given_up_it_waits_no_longer(waiting: Waiting) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    await talk.post({"type": "human", "content": "never mind"})
    assert (await pending(thread), await found(thread, asked.id)) == ([], None)


async def test_after_a_posted_edit_the_old_question_can_be_answered(waiting: Waiting) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    for a in (10, 20):
        await edit(talk, a=a, b=1)
        assert await pending(thread) == []
        assert await found(thread, asked.id) == asked
    assert (await talk.decide({"type": "approve"})).run.status == "success"
    assert (await talk.said())[2] == ("tool", "21")
    assert await found(thread, asked.id) is None


async def test_what_is_asked_anew_takes_its_place(waiting: Waiting) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    await edit(talk, a=10, b=1)
    graph = _asking_again()
    await graph.ainvoke(None, {"configurable": {"thread_id": talk.thread}})
    [anew] = await pending(thread)
    assert (anew.value, await found(thread, anew.id)) == ("anew?", anew)
    assert await found(thread, asked.id) is None


async def test_going_back_to_a_question_that_was_answered(waiting: Waiting) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    call = (await talk.messages())[1]
    assert (await talk.run()).run.status == "success"
    history = await in_database_thread(read_history, thread=thread, limit=20)
    place = [entry.checkpoint_id for entry in history if entry.next == [CONFIRMATION_NODE]][-1]
    call["tool_calls"][0]["args"] = {"a": 30, "b": 1}
    config = {"configurable": {"checkpoint_id": place}}
    response = await talk.ask("POST", f"/threads/{talk.thread}/state", {"values": [call], "config": config})
    assert response.status_code == 200
    step = await in_database_thread(read_step, thread=thread)
    assert [one["args"] for one in step.waiting] == [{"a": 30, "b": 1}]
    # It was answered, but not on this branch.
    assert await found(thread, asked.id) == asked
    assert (await talk.decide({"type": "approve"})).run.status == "success"
    assert (await talk.said())[1:] == [("ai", ""), ("tool", "31"), ("ai", "Echo: tool said 31")]
    branches = (await talk.ask("GET", f"/threads/{talk.thread}/branches")).json()
    assert [(branch["current"], branch["fork"]) for branch in branches] == [(True, None), (False, place)]


def _asking_again() -> Any:
    """A graph whose node of the agent's name asks something else."""
    graph = StateGraph(MessagesState)
    graph.add_node(CONFIRMATION_NODE, lambda state: interrupt("anew?"))
    graph.add_edge(START, CONFIRMATION_NODE)
    graph.add_edge(CONFIRMATION_NODE, END)
    return graph.compile(checkpointer=DjangoSaver())


class Asking:
    """A graph of two nodes that run at once: one asks twice, the other once."""

    def __init__(self) -> None:
        graph = StateGraph(MessagesState)
        graph.add_node("twice", self._twice)
        graph.add_node("once", self._once)
        for node in ("twice", "once"):
            graph.add_edge(START, node)
            graph.add_edge(node, END)
        self.graph = graph.compile(checkpointer=DjangoSaver())

    def _twice(self, state: MessagesState) -> Any:
        interrupt({"n": 2**70})
        return {"messages": [HumanMessage(interrupt("two"))]}

    def _once(self, state: MessagesState) -> Any:
        return {"messages": [HumanMessage(interrupt("three"))]}


async def test_several_at_once_are_those_that_the_graph_tells(thread: Thread, config: ConfigOf) -> None:
    graph = Asking().graph
    await graph.ainvoke({"messages": [HumanMessage("a")]}, config("1"))

    async def own() -> list[PendingInterrupt]:
        result: list[Interrupt] = list((await graph.aget_state(config("1"))).interrupts)
        return [PendingInterrupt(one.id, one.value) for one in result]

    first = await pending(thread)
    assert {str(one.value) for one in first} == {str({"n": str(2**70)}), "three"}
    assert sorted(first, key=lambda one: one.id) == sorted(await own(), key=lambda one: one.id)
    [three] = [one for one in first if one.value == "three"]
    [one] = [other for other in first if other.value != "three"]

    await graph.ainvoke(Command(resume={three.id: "x"}), config("2"))
    assert await pending(thread) == [one]
    assert (await found(thread, three.id), await found(thread, one.id)) == (None, one)

    await graph.ainvoke(Command(resume={one.id: "y"}), config("3"))
    [two] = await pending(thread)
    assert (two.value, two.id != one.id) == ("two", True)
    assert await found(thread, one.id) is None

    await graph.ainvoke(Command(resume={two.id: "z"}), config("4"))
    assert await pending(thread) == await own() == []


async def test_it_takes_four_queries_however_often_the_calls_were_edited(
    waiting: Waiting, django_assert_max_num_queries: Any
) -> None:
    talk, thread = await waiting()
    [asked] = await pending(thread)
    for a in range(12):
        await edit(talk, a=a, b=1)

    def counted(function: Any, *args: Any, most: int) -> Any:
        with django_assert_max_num_queries(most):
            return function(*args)

    assert await in_database_thread(counted, find_interrupt, thread, asked.id, most=4) == asked
    assert await in_database_thread(counted, pending_interrupts, thread, most=2) == []


def test_an_interrupt_of_a_graph_inside_is_not_the_threads(thread: Thread) -> None:
    checkpoint_id = append_messages(thread=thread, messages=[HumanMessage("a")])
    at: Any = {
        "configurable": {"thread_id": str(thread.pk), "checkpoint_ns": "agent:1", "checkpoint_id": checkpoint_id}
    }
    DjangoSaver().put_writes(at, [(INTERRUPT, (Interrupt("inner", id="i"),))], "task")
    assert (pending_interrupts(thread), find_interrupt(thread, "i")) == ([], None)
    assert (CheckpointWrite.objects.count(), Checkpoint.objects.count()) == (1, 1)
