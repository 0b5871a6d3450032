"""Reading and changing a thread's state with no graph, and graphs that go on from there."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, RemoveMessage, ToolMessage

from opengpts.db import in_database_thread
from opengpts.errors import Conflict, Invalid, NotFound
from tests.integration.threads.conftest import ConfigOf, Echo, Run
from threads.message_codec import encode_message
from threads.models import Checkpoint, Message, Thread
from threads.rows import UnknownThread
from threads.saver import DjangoSaver
from threads.state import State, Step, append_messages, messages_of_thread, read_history, read_state, read_step

pytestmark = pytest.mark.django_db(transaction=True)


def texts(state: Any) -> list[str]:
    return [json.loads(text)["content"] for text in state.messages]


async def append(thread: Thread, *messages: Any) -> str:
    return await in_database_thread(append_messages, thread=thread, messages=list(messages))


async def state_of(thread: Thread, **of: Any) -> State:
    return await in_database_thread(read_state, thread=thread, **of)


def test_an_empty_thread(thread: Thread, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert read_state(thread=thread) == State([], [], None)
    assert read_history(thread=thread, limit=10) == []
    assert messages_of_thread(thread) == []


def test_a_step_is_read_from_the_end_of_a_long_thread(thread: Thread, django_assert_max_num_queries: Any) -> None:
    assert read_step(thread=thread) == Step([], [], None)
    append_messages(thread=thread, messages=[HumanMessage(str(n), id=str(n)) for n in range(300)])
    assert read_step(thread=thread) == Step([], [], "human")
    calls = [{"name": "add", "args": {}, "id": str(n), "type": "tool_call"} for n in range(12)]
    results = [ToolMessage("3", tool_call_id=str(n)) for n in range(1, 12)]
    append_messages(thread=thread, messages=[AIMessage("", tool_calls=calls), *results])
    with django_assert_max_num_queries(3):
        step = read_step(thread=thread)
    assert ([call["id"] for call in step.calls], step.waiting, step.newest) == (["0"], [], "tool")
    texts = Message.objects.filter(thread=thread, position__lt=200)
    texts.update(data="not JSON: whoever reads this far fails")
    assert read_step(thread=thread) == step


async def test_the_state_is_what_the_graph_says(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("a", id="1"))
    result = await run(echo.graph, HumanMessage("b", id="2"))
    state = await state_of(thread)
    assert state.messages == [encode_message(message) for message in result["messages"]]
    assert state.next == []
    newest = await in_database_thread(Checkpoint.objects.latest, "checkpoint_id")
    assert state.checkpoint_id == newest.checkpoint_id


async def test_the_state_at_a_checkpoint(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("a", id="1"))
    history = await in_database_thread(read_history, thread=thread, limit=10)
    for entry in history:
        state = await state_of(thread, checkpoint_id=entry.checkpoint_id)
        assert (state.messages, state.next) == (entry.messages, entry.next)
    with pytest.raises(NotFound):
        await state_of(thread, checkpoint_id=str(uuid.uuid4()))


def test_a_state_takes_two_queries_however_long(thread: Thread, django_assert_num_queries: Any) -> None:
    append_messages(thread=thread, messages=[HumanMessage(str(n), id=str(n)) for n in range(300)])
    for n in range(0, 300, 3):  # leaves a hundred separate runs of positions
        append_messages(thread=thread, messages=[HumanMessage(f"new {n}", id=str(n))])
    with django_assert_num_queries(2):
        state = read_state(thread=thread)
    assert texts(state) == [str(n) if n % 3 else f"new {n}" for n in range(300)]
    with django_assert_num_queries(2):
        assert [row.content for row in messages_of_thread(thread)] == texts(state)


async def test_the_history_is_that_of_the_graph(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("a", id="1"))
    await run(echo.graph, HumanMessage("b", id="2"))
    history = await in_database_thread(read_history, thread=thread, limit=100)
    graph = echo.graph.copy(update={"checkpointer": DjangoSaver()})
    own = [state async for state in graph.aget_state_history({"configurable": {"thread_id": str(thread.pk)}})]
    assert [entry.messages for entry in history] == [
        [encode_message(message) for message in state.values.get("messages", [])] for state in own
    ]
    assert [entry.next for entry in history] == [list(state.next) for state in own]
    assert [entry.checkpoint_id for entry in history] == [
        state.config["configurable"]["checkpoint_id"] for state in own
    ]
    assert [entry.parent_checkpoint_id for entry in history] == [
        state.parent_config["configurable"]["checkpoint_id"] if state.parent_config else None for state in own
    ]
    assert [entry.created_at.isoformat() for entry in history] == [state.created_at for state in own]
    assert [entry.metadata["run_id"] for entry in history] == ["run-2"] * 3 + ["run-1"] * 3


def test_the_history_is_paged_with_two_queries(thread: Thread, django_assert_num_queries: Any) -> None:
    for n in range(10):
        append_messages(thread=thread, messages=[HumanMessage(str(n), id=str(n))])
    with django_assert_num_queries(2):
        page = read_history(thread=thread, limit=4)
    assert [len(entry.messages) for entry in page] == [10, 9, 8, 7]
    older = read_history(thread=thread, limit=4, before=page[-1].checkpoint_id)
    assert [len(entry.messages) for entry in older] == [6, 5, 4, 3]


async def test_a_graph_goes_on_from_a_state_posted_to_a_new_thread(thread: Thread, echo: Echo, run: Run) -> None:
    checkpoint_id = await append(thread, HumanMessage("hi! my name is bob"))
    state = await state_of(thread)
    assert texts(state) == ["hi! my name is bob"]
    assert (state.next, state.checkpoint_id) == ([], checkpoint_id)
    assert uuid.UUID(json.loads(state.messages[0])["id"])
    await run(echo.graph)
    assert echo.seen == ["hi! my name is bob"]
    assert texts(await state_of(thread)) == ["hi! my name is bob", "echo hi! my name is bob"]


async def test_states_posted_again_and_again_and_between_runs(thread: Thread, echo: Echo, run: Run) -> None:
    await append(thread, HumanMessage("a"))
    await append(thread, HumanMessage("b"))
    await run(echo.graph)
    assert echo.seen == ["a", "b"]
    await append(thread, HumanMessage("c"), AIMessage("d"))
    await append(thread, HumanMessage("e"))
    assert (await state_of(thread)).next == []
    await run(echo.graph)
    assert echo.seen == ["a", "b", "echo b", "c", "d", "e"]
    await run(echo.graph, HumanMessage("f"))
    assert echo.seen == ["a", "b", "echo b", "c", "d", "e", "echo e", "f"]


async def test_a_state_posted_after_a_failed_run_drops_what_was_pending(thread: Thread, echo: Echo, run: Run) -> None:
    echo.fails = True
    with pytest.raises(RuntimeError):
        await run(echo.graph, HumanMessage("a"))
    assert (await state_of(thread)).next == ["agent"]
    await append(thread, HumanMessage("b"))
    state = await state_of(thread)
    assert (texts(state), state.next) == (["a", "b"], [])
    echo.fails = False
    await run(echo.graph)
    assert echo.seen == ["a", "b"]
    assert texts(await state_of(thread)) == ["a", "b", "echo b"]


async def test_the_graph_agrees_with_a_posted_state(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("a", id="1"))
    await append(thread, HumanMessage("b", id="2"))
    graph = echo.graph.copy(update={"checkpointer": DjangoSaver()})
    own = await graph.aget_state({"configurable": {"thread_id": str(thread.pk)}})
    state = await state_of(thread)
    assert [encode_message(message) for message in own.values["messages"]] == state.messages
    assert own.next == ()
    assert own.metadata
    assert (own.metadata["source"], own.metadata["step"]) == ("update", 2)


async def test_an_interrupted_graph_begins_anew_after_a_posted_state(
    thread: Thread, run: Run, config: ConfigOf
) -> None:
    echo = Echo(interrupt_before=["agent"])
    await run(echo.graph, HumanMessage("a"))
    await append(thread, HumanMessage("b"))
    await run(echo.graph)
    assert (await state_of(thread)).next == ["agent"]
    assert echo.seen == []
    await run(echo.graph)  # new input again: stops again
    graph = echo.graph.copy(update={"checkpointer": DjangoSaver()})
    await graph.ainvoke(None, {"configurable": {"thread_id": str(thread.pk)}})
    assert echo.seen == ["a", "b"]


def test_known_ids_are_replaced_where_they_stand_and_removed(thread: Thread) -> None:
    append_messages(thread=thread, messages=[HumanMessage(text, id=text) for text in "abcd"])
    append_messages(
        thread=thread,
        messages=[HumanMessage("B", id="b"), RemoveMessage("c"), HumanMessage("e", id="e"), HumanMessage("E", id="e")],
    )
    assert texts(read_state(thread=thread)) == ["a", "B", "d", "E"]
    append_messages(thread=thread, messages=[RemoveMessage("a"), HumanMessage("back", id="a")])
    assert texts(read_state(thread=thread)) == ["back", "B", "d", "E"]
    append_messages(thread=thread, messages=[HumanMessage("lost"), RemoveMessage("__remove_all__"), AIMessage("only")])
    assert texts(read_state(thread=thread)) == ["only"]
    only = json.loads(read_state(thread=thread).messages[0])["id"]
    append_messages(thread=thread, messages=[RemoveMessage(only)])
    assert read_state(thread=thread).messages == []


async def test_a_thread_that_was_emptied_goes_on(thread: Thread, echo: Echo, run: Run) -> None:
    await append(thread, HumanMessage("a", id="a"))
    await append(thread, RemoveMessage("a"))
    await run(echo.graph, HumanMessage("b"))
    assert echo.seen == ["b"]
    await append(thread, HumanMessage("c"))
    assert texts(await state_of(thread)) == ["b", "echo b", "c"]


def test_messages_may_come_as_the_api_writes_them(thread: Thread) -> None:
    sent: Any = {
        "content": "hi",
        "additional_kwargs": {},
        "response_metadata": {},
        "type": "human",
        "name": None,
        "id": "1",
    }
    append_messages(thread=thread, messages=[sent, AIMessageChunk(content="whole", id="2")])
    assert [json.loads(text)["type"] for text in read_state(thread=thread).messages] == ["human", "ai"]
    assert read_state(thread=thread).messages[0] == encode_message(HumanMessage("hi", id="1"))
    append_messages(thread=thread, messages=[{"type": "remove", "content": "", "id": "1"}])
    assert texts(read_state(thread=thread)) == ["whole"]


@pytest.mark.parametrize(
    "messages",
    [
        [RemoveMessage("nobody")],
        [HumanMessage("x", id="x"), RemoveMessage("nobody")],
        [{"type": "ai", "content": "x", "usage_metadata": {"input_tokens": "many"}}],
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(thread: Thread, messages: list[Any]) -> None:
    with pytest.raises(Invalid):
        append_messages(thread=thread, messages=messages)
    assert read_state(thread=thread) == State()
    assert not Message.objects.exists()


def test_the_messages_given_are_left_alone(thread: Thread) -> None:
    message = HumanMessage("x")
    append_messages(thread=thread, messages=[message])
    assert message.id is None


def test_a_thread_deleted_meanwhile(thread: Thread) -> None:
    Thread.objects.filter(pk=thread.pk).delete()
    with pytest.raises(UnknownThread):
        append_messages(thread=thread, messages=[HumanMessage("x")])


def test_a_state_that_is_no_list_of_messages_is_left_to_its_graph(thread: Thread) -> None:
    at: Any = {"configurable": {"thread_id": str(thread.pk), "checkpoint_ns": ""}}
    for number, values in enumerate(({"messages": ["text"]}, {"messages": HumanMessage("x")}, {})):
        checkpoint: Any = {
            "v": 4,
            "id": f"1f000000-0000-6000-8000-00000000000{number}",
            "ts": "2026-01-01T00:00:00+00:00",
            "channel_values": values,
            "channel_versions": {"messages": 1},
            "versions_seen": {},
        }
        DjangoSaver().put(at, checkpoint, {"source": "loop", "step": 1, "parents": {}}, {})
        with pytest.raises(Conflict):
            append_messages(thread=thread, messages=[HumanMessage("y")])


async def test_two_at_once_lose_nothing(thread: Thread) -> None:
    said: list[BaseMessage] = [HumanMessage(str(n), id=str(n)) for n in range(12)]
    await asyncio.gather(*(append(thread, message) for message in said))
    state = await state_of(thread)
    assert sorted(texts(state), key=int) == [str(n) for n in range(12)]
    assert await in_database_thread(Checkpoint.objects.count) == 12


def test_a_history_is_given_in_portions(thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        append_messages(thread=thread, messages=[HumanMessage("x" * 1000, id=str(number))])
    whole = read_history(thread=thread, limit=10)
    monkeypatch.setattr("threads.state.HISTORY_SIZE", 4000)
    found = read_history(thread=thread, limit=10)
    assert found == whole[:1]
    while portion := read_history(thread=thread, limit=10, before=found[-1].checkpoint_id):
        found += portion
    assert found == whole
