"""What the saver stores, and what LangGraph gets back."""

import asyncio
import json
import operator
import uuid
from typing import Annotated, Any, TypedDict

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import _messages_delta_reducer
from langgraph.types import Command, Send, interrupt

from opengpts.db import in_database_thread
from tests.integration.threads.conftest import ConfigOf, Echo, Run
from threads.models import Checkpoint, CheckpointWrite, Message, Thread
from threads.rows import UnknownThread
from threads.saver import DjangoSaver

pytestmark = pytest.mark.django_db(transaction=True)


def checkpoint(**values: Any) -> Any:
    return {
        **empty_checkpoint(),
        "id": str(uuid6()),
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, 1),
    }


def at(thread: Thread, checkpoint_id: str | None = None) -> Any:
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": str(thread.pk), "checkpoint_ns": "", **named}}


def put(saver: DjangoSaver, thread: Thread, **values: Any) -> Any:
    return saver.put(at(thread), checkpoint(**values), {"source": "loop", "step": 1, "parents": {}}, {})


def load(saved: Any, saver: DjangoSaver | None = None) -> CheckpointTuple:
    found = (saver or DjangoSaver()).get_tuple(saved)
    assert found is not None
    return found


def values_of(thread: Thread, saved: Any = None) -> Any:
    return load(saved or at(thread)).checkpoint["channel_values"]


async def rows() -> list[tuple[int, str]]:
    found = Message.objects.order_by("position").values_list("position", "content")
    return await in_database_thread(list, found)


async def test_each_message_is_written_once(thread: Thread, echo: Echo, run: Run) -> None:
    for turn in range(4):
        result = await run(echo.graph, HumanMessage(f"q{turn}", id=f"h{turn}"))
    assert await rows() == list(enumerate([text for n in range(4) for text in (f"q{n}", f"echo q{n}")], start=1))
    newest = await in_database_thread(Checkpoint.objects.latest, "checkpoint_id")
    assert newest.messages == {"messages": [[1, 8]]}
    assert [message.content for message in result["messages"]] == [content for _, content in await rows()]


async def test_the_input_and_the_writes_of_tasks_share_the_rows(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("q", id="h"))
    stored = await in_database_thread(list, Checkpoint.objects.order_by("checkpoint_id"))
    assert [row.messages for row in stored] == [
        {"__start__": {"messages": [[1, 1]]}},
        {"messages": [[1, 1]]},
        {"messages": [[1, 2]]},
    ]
    writes = await in_database_thread(list, CheckpointWrite.objects.filter(channel="messages"))
    assert sorted(json.dumps(write.messages) for write in writes) == ["[[1, 1]]", "[[2, 2]]"]
    secret = b"echo q"
    for row in [*stored, *writes]:
        assert secret not in bytes(getattr(row, "values", None) or b"")
        assert secret not in bytes(getattr(row, "value", None) or b"")


async def test_a_message_that_got_its_id_later_is_stored_with_it(thread: Thread, echo: Echo, run: Run) -> None:
    """LangGraph gives ids to the very objects that it has had saved."""
    await run(echo.graph, HumanMessage("no id"))
    restored = await in_database_thread(values_of, thread)
    assert restored["messages"][0].id


@pytest.mark.parametrize("change", ["content", "nested"])
def test_a_message_that_changed_is_a_new_row(thread: Thread, change: str) -> None:
    saver, message = DjangoSaver(), AIMessage("one", id="a", response_metadata={"usage": {"tokens": [1]}})
    first = put(saver, thread, messages=[message])
    if change == "content":
        message.content = "two"
    else:
        message.response_metadata["usage"]["tokens"].append(2)
    second = put(saver, thread, messages=[message])
    assert values_of(thread, second)["messages"] == [message]
    assert values_of(thread, first)["messages"] != [message]
    assert Message.objects.count() == 2


def test_a_message_that_was_read_and_changed_is_a_new_row(thread: Thread) -> None:
    put(DjangoSaver(), thread, messages=[HumanMessage("one", id="a", additional_kwargs={"n": [1]})])
    saver = DjangoSaver()
    message = load(at(thread), saver).checkpoint["channel_values"]["messages"][0]
    put(saver, thread, messages=[message])
    assert Message.objects.count() == 1
    message.additional_kwargs["n"].append(2)
    put(saver, thread, messages=[message])
    assert values_of(thread)["messages"] == [message]
    assert Message.objects.count() == 2


def test_an_artifact_that_changed_inside_is_a_new_row(thread: Thread) -> None:
    saver, message = DjangoSaver(), ToolMessage("x", tool_call_id="1", id="t", artifact={"raw": b"1"})
    put(saver, thread, messages=[message])
    put(saver, thread, messages=[message])
    assert Message.objects.count() == 1
    message.artifact["raw"] = b"2"
    put(saver, thread, messages=[message])
    assert values_of(thread)["messages"][0].artifact == {"raw": b"2"}


def test_an_equal_message_of_another_run_is_the_same_row(thread: Thread) -> None:
    for _ in range(3):
        put(
            DjangoSaver(),
            thread,
            messages=[HumanMessage("x", id="a"), ToolMessage("y", tool_call_id="1", artifact=b"z")],
        )
    assert Message.objects.filter(message_id="a").count() == 1


def test_values_that_hold_messages_come_back_as_they_were(thread: Thread) -> None:
    human, ai = HumanMessage("h", id="h"), AIMessage("a", id="a")
    values: dict[str, Any] = {
        "single": human,
        "several": [human, ai, human],
        "mapping": {"messages": [human], "one": ai, "n": 1, "nothing": None, "empty": []},
        "mixed": [human, "text"],
        "none": None,
        "empty": [],
        "number_keys": {1: [human]},
        "bytes": b"\x00",
    }
    saved = put(DjangoSaver(), thread, **values)
    restored = values_of(thread, saved)
    assert restored == values
    assert list(restored["mapping"]) == list(values["mapping"])
    assert Message.objects.count() == 2


def test_a_thread_that_does_not_exist(thread: Thread) -> None:
    saver = DjangoSaver()
    for thread_id in (str(uuid.uuid4()), "no uuid"):
        nowhere: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": "c"}}
        metadata: Any = {"source": "loop", "step": 1, "parents": {}}
        for values in ({"n": 1}, {"messages": [HumanMessage("x")]}):
            with pytest.raises(UnknownThread, match="does not exist"):
                saver.put(nowhere, checkpoint(**values), metadata, {})
            with pytest.raises(UnknownThread, match="does not exist"):
                saver.put_writes(nowhere, list(values.items()), "task")
        assert saver.get_tuple(nowhere) is None
        assert list(saver.list(nowhere)) == []
    assert not Message.objects.exists()


async def test_a_run_on_a_thread_that_does_not_exist_says_so(transactional_db: None, echo: Echo) -> None:
    graph = echo.graph.copy(update={"checkpointer": DjangoSaver()})
    with pytest.raises(UnknownThread):
        await graph.ainvoke({"messages": [HumanMessage("x")]}, {"configurable": {"thread_id": str(uuid.uuid4())}})


def test_the_messages_of_a_save_that_fails_are_not_taken_for_stored(thread: Thread) -> None:
    saver, message = DjangoSaver(), HumanMessage("x", id="a")
    bad = checkpoint(messages=[message])
    bad["channel_versions"]["n"] = float("nan")  # no JSON
    with pytest.raises(ValueError, match="JSON"):
        saver.put(at(thread), bad, {"source": "loop", "step": 1, "parents": {}}, {})
    assert not Message.objects.exists()
    put(saver, thread, messages=[message])
    assert values_of(thread)["messages"] == [message]


def test_writes_may_come_before_their_checkpoint(thread: Thread) -> None:
    saver, later = DjangoSaver(), checkpoint(n=1)
    saver.put_writes(at(thread, later["id"]), [("messages", [AIMessage("early", id="a")])], "task")
    saver.put(at(thread), later, {"source": "loop", "step": 1, "parents": {}}, {})
    assert load(at(thread)).pending_writes == [("task", "messages", [AIMessage("early", id="a")])]


def test_writes_come_in_the_order_in_which_they_are_applied(thread: Thread) -> None:
    saved = put(DjangoSaver(), thread, n=1)
    for task, path in (("a", "~__pregel_pull, z"), ("b", "~__pregel_pull, Z"), ("c", ""), ("d", "~__pregel_pull, z")):
        DjangoSaver().put_writes(saved, [("x", task), ("y", task)], task, path)
    written = [(task, channel) for task, channel, _ in load(saved).pending_writes or []]
    assert written == [(task, channel) for task in "cbad" for channel in "xy"]


def test_an_error_is_replaced_and_a_result_is_kept(thread: Thread) -> None:
    saved = put(DjangoSaver(), thread, n=1)
    for attempt in ("first", "second"):
        DjangoSaver().put_writes(saved, [("x", attempt), (ERROR, attempt)], "task")
    assert load(saved).pending_writes == [("task", ERROR, "second"), ("task", "x", "first")]


async def test_a_task_that_was_answered_twice_keeps_the_last_of_each(thread: Thread) -> None:
    """LangGraph repeats the answers so far in one call, where a task asks for the third time."""
    saver = DjangoSaver()
    saved = await in_database_thread(put, saver, thread)
    await saver.aput_writes(saved, [(RESUME, ["a"]), (RESUME, ["a", "b"])], "task")
    await asyncio.gather(*(saver.aput_writes(saved, [(INTERRUPT, n)], "task") for n in range(3)))
    found = await in_database_thread(load, saved)
    assert sorted(found.pending_writes or []) == [("task", INTERRUPT, 2), ("task", RESUME, ["a", "b"])]


def test_a_checkpoint_may_be_put_again(thread: Thread) -> None:
    saver, twice = DjangoSaver(), checkpoint(messages=[HumanMessage("x", id="a")])
    for step in (1, 2):
        saver.put(at(thread), twice, {"source": "loop", "step": step, "parents": {}}, {})
        twice["channel_values"]["messages"].append(AIMessage("y", id="b"))
    assert load(at(thread)).metadata["step"] == 2
    assert len(values_of(thread)["messages"]) == 2


async def test_savers_that_write_at_once_lose_nothing(thread: Thread) -> None:
    savers = [DjangoSaver() for _ in range(6)]
    turns = 5

    async def work(number: int, saver: DjangoSaver) -> None:
        for turn in range(turns):
            said = [HumanMessage(f"{number}.{turn}.{n}", id=f"{number}.{turn}.{n}") for n in range(3)]
            saved = await saver.aput(
                at(thread), checkpoint(messages=said), {"source": "loop", "step": turn, "parents": {}}, {}
            )
            restored = await saver.aget_tuple(saved)
            assert restored
            assert restored.checkpoint["channel_values"]["messages"] == said

    await asyncio.gather(*(work(number, saver) for number, saver in enumerate(savers)))
    positions = [position for position, _ in await rows()]
    assert len(positions) == len(set(positions)) == 6 * turns * 3


async def test_what_comes_at_once_is_saved_together_and_a_bad_part_alone_fails(thread: Thread) -> None:
    saver, shared = DjangoSaver(), HumanMessage("x", id="shared")
    unstorable = ToolMessage("y", tool_call_id="1", artifact=object())
    saved = at(thread, str(uuid6()))
    results = await asyncio.gather(
        saver.aput_writes(saved, [("messages", [shared])], "task-1"),
        saver.aput_writes(saved, [("messages", [unstorable])], "task-2"),
        saver.aput_writes(saved, [("messages", [shared, AIMessage("z", id="z")])], "task-3"),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["NoneType", "UnstorableMessage", "NoneType"]
    assert [content for _, content in await rows()] == ["x", "z"]


async def test_cancelling_a_save_does_not_undo_it(thread: Thread) -> None:
    saver = DjangoSaver()
    save = asyncio.create_task(
        saver.aput(at(thread), checkpoint(n=1), {"source": "loop", "step": 1, "parents": {}}, {})
    )
    await asyncio.sleep(0)
    save.cancel()
    with pytest.raises(asyncio.CancelledError):
        await save
    await saver.aput_writes(at(thread, "c"), [("n", 1)], "task")  # comes after it
    assert await in_database_thread(Checkpoint.objects.count) == 1


def words(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"].split()[0] for query in queries]


def test_a_step_takes_few_statements(thread: Thread) -> None:
    saver = DjangoSaver()
    said: list[BaseMessage] = [HumanMessage(str(n), id=str(n)) for n in range(100)]
    with CaptureQueriesContext(connection) as first:
        put(saver, thread, messages=said)
    # PostgreSQL gets what can go together in one message.
    messages = ["BEGIN;", "INSERT"]
    statements = ["BEGIN", "UPDATE", "SELECT", "INSERT", "INSERT", "COMMIT"]
    assert words(first) == (messages if connection.vendor == "postgresql" else statements)
    with CaptureQueriesContext(connection) as known:
        put(saver, thread, messages=said)
    assert words(known) == ["INSERT"]
    with CaptureQueriesContext(connection) as read:
        DjangoSaver().get_tuple(at(thread))
    assert words(read) == ["SELECT"] * 2


def test_a_save_within_a_transaction_is_part_of_it(thread: Thread) -> None:
    saver, message = DjangoSaver(), HumanMessage("x", id="a")
    with transaction.atomic():
        put(saver, thread, messages=[message])
        assert values_of(thread)["messages"] == [message]
        transaction.set_rollback(True)
    assert [model.objects.count() for model in (Message, Checkpoint)] == [0, 0]


def test_listing_takes_no_query_for_each_checkpoint(thread: Thread, django_assert_num_queries: Any) -> None:
    saver = DjangoSaver()
    for n in range(120):
        saved = put(saver, thread, messages=[HumanMessage("x", id="a")], n=n)
        saver.put_writes(saved, [("n", n)], "task")
    with django_assert_num_queries(3 * 3):
        found = list(DjangoSaver().list(at(thread)))
    assert [item.checkpoint["channel_values"]["n"] for item in found] == list(reversed(range(120)))
    assert all(item.pending_writes for item in found)
    with django_assert_num_queries(3):
        assert len(list(DjangoSaver().list(at(thread), limit=7))) == 7
    by_metadata = list(
        DjangoSaver().list(at(thread), filter={"step": 1, "source": "loop"}, limit=2, before=found[9].config)
    )
    assert [item.config for item in by_metadata] == [found[10].config, found[11].config]
    assert len(list(DjangoSaver().list(None))) == 120


def test_deleting_the_thread_deletes_its_state(thread: Thread) -> None:
    saved = put(DjangoSaver(), thread, messages=[HumanMessage("x", id="a")])
    DjangoSaver().put_writes(saved, [("n", 1)], "task")
    thread.delete()
    assert [model.objects.count() for model in (Message, Checkpoint, CheckpointWrite)] == [0, 0, 0]


async def test_a_run_taken_back_leaves_no_message_of_its_own(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("keep", id="1"))
    await run(echo.graph, HumanMessage("forget", id="2"))
    await DjangoSaver().adelete_for_runs(["run-2"])
    assert [content for _, content in await rows()] == ["keep", "echo keep"]
    await run(echo.graph, HumanMessage("next", id="3"))
    assert echo.seen == ["keep", "echo keep", "next"]
    # The positions of what was deleted are not given to others.
    assert [position for position, _ in await rows()] == [1, 2, 5, 6]


async def test_pruning_keeps_what_the_newest_checkpoint_holds(thread: Thread, echo: Echo, run: Run) -> None:
    for n in range(3):
        await run(echo.graph, HumanMessage(f"q{n}", id="same" if n else "first"))
    before = await in_database_thread(values_of, thread)
    await DjangoSaver().aprune([str(thread.pk)])
    assert await in_database_thread(Checkpoint.objects.count) == 1
    assert await in_database_thread(CheckpointWrite.objects.count) == 0
    assert await in_database_thread(values_of, thread) == before
    assert "q1" not in [content for _, content in await rows()]
    await DjangoSaver().aprune([str(thread.pk)], strategy="delete")
    assert await rows() == []


class DeltaState(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer, snapshot_frequency=3)]


async def test_delta_channels_survive_and_pruning_does_not_cut_them_off(thread: Thread, run: Run) -> None:
    heard: list[Any] = []

    def answer(state: DeltaState) -> dict[str, Any]:
        heard[:] = [message.content for message in state["messages"]]
        return {"messages": [AIMessage(f"echo {heard[-1]}", id=f"a{len(heard)}")]}

    graph = StateGraph(DeltaState)
    graph.add_node("agent", answer)
    graph.add_edge(START, "agent")
    compiled = graph.compile()
    for n in range(5):
        await run(compiled, HumanMessage(f"q{n}", id=f"h{n}"))
        if n == 3:
            await DjangoSaver().aprune([str(thread.pk)])
    assert heard == [text for n in range(4) for text in (f"q{n}", f"echo q{n}")] + ["q4"]


def tangle(**compile: Any) -> Any:
    """Branches, a join, a deferred node, a fan-out by Send and an interrupt."""

    class State(MessagesState):
        log: Annotated[list[str], operator.add]

    def say(name: str) -> Any:
        return lambda state: {"log": [name]}

    def ask(state: State) -> dict[str, Any]:
        return {"log": [interrupt("go on?")]}

    graph = StateGraph(State)
    for name in ("a+b", "c", "joined", "each"):
        graph.add_node(name, say(name))
    graph.add_node("late", say("late"), defer=True)
    graph.add_node("ask", ask)
    graph.add_edge(START, "a+b")
    graph.add_edge(START, "c")
    graph.add_edge(["a+b", "c"], "joined")
    graph.add_edge("c", "late")
    graph.add_conditional_edges("joined", lambda state: [Send("each", {"log": []}) for _ in range(2)], ["each"])
    graph.add_edge("each", "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=DjangoSaver(), **compile)


async def nexts_like_those_of(graph: Any, thread: Thread) -> list[list[str]]:
    """The `next` of every checkpoint, oldest first, each compared with what the graph itself says."""
    stored = dict(await in_database_thread(list, Checkpoint.objects.values_list("checkpoint_id", "next")))
    own = {
        state.config["configurable"]["checkpoint_id"]: list(state.next)
        async for state in graph.aget_state_history({"configurable": {"thread_id": str(thread.pk)}})
    }
    assert stored == own
    return [stored[state] for state in sorted(stored)]


async def test_next_is_what_the_graph_says_at_every_step(thread: Thread, config: ConfigOf) -> None:
    graph = tangle(interrupt_before=["joined"])
    await graph.ainvoke({"messages": [HumanMessage("x")]}, config("1"))
    await nexts_like_those_of(graph, thread)
    await graph.ainvoke(None, config("1"))
    await nexts_like_those_of(graph, thread)
    await graph.ainvoke(Command(resume="yes"), config("1"))
    nexts = await nexts_like_those_of(graph, thread)
    assert nexts == [["__start__"], ["a+b", "c"], ["joined"], ["each", "each", "late"], ["ask"], []]


async def test_next_after_a_failure_an_update_and_a_finish(thread: Thread, config: ConfigOf) -> None:
    echo = Echo(checkpointer=DjangoSaver())
    echo.fails = True
    with pytest.raises(RuntimeError):
        await echo.graph.ainvoke({"messages": [HumanMessage("x")]}, config("1"))
    assert (await nexts_like_those_of(echo.graph, thread))[-1] == ["agent"]
    state: Any = {"configurable": {"thread_id": str(thread.pk)}}
    await echo.graph.aupdate_state(state, {"messages": [HumanMessage("y")]}, as_node=START)
    assert (await nexts_like_those_of(echo.graph, thread))[-1] == ["agent"]
    await echo.graph.aupdate_state(state, {"messages": [AIMessage("z")]}, as_node="agent")
    assert (await nexts_like_those_of(echo.graph, thread))[-1] == []
    echo.fails = False
    await echo.graph.ainvoke({"messages": [HumanMessage("again")]}, config("2"))
    assert (await nexts_like_those_of(echo.graph, thread))[-1] == []


async def test_a_run_that_died_goes_on_from_its_last_checkpoint(thread: Thread, config: ConfigOf) -> None:
    echo = Echo()
    echo.fails = True
    with pytest.raises(RuntimeError):
        await echo.graph.copy(update={"checkpointer": DjangoSaver()}).ainvoke(
            {"messages": [HumanMessage("x", id="h")]}, config("1")
        )
    echo.fails = False
    result = await echo.graph.copy(update={"checkpointer": DjangoSaver()}).ainvoke(None, config("1"))
    assert [message.content for message in result["messages"]] == ["x", "echo x"]
    assert [content for _, content in await rows()] == ["x", "echo x"]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_every_durability(thread: Thread, echo: Echo, run: Run, durability: str) -> None:
    for n in range(2):
        await run(echo.graph, HumanMessage(f"q{n}", id=f"h{n}"), durability=durability)
    assert [content for _, content in await rows()] == ["q0", "echo q0", "q1", "echo q1"]


async def test_a_graph_within_a_graph_has_a_namespace_of_its_own(thread: Thread, config: ConfigOf) -> None:
    inner = StateGraph(MessagesState)
    inner.add_node("inner", lambda state: {"messages": [AIMessage(interrupt("?"))]})
    inner.add_edge(START, "inner")
    outer = StateGraph(MessagesState)
    outer.add_node("outer", inner.compile())
    outer.add_edge(START, "outer")
    graph = outer.compile(checkpointer=DjangoSaver())
    await graph.ainvoke({"messages": [HumanMessage("x", id="h")]}, config("1"))
    assert await in_database_thread(Checkpoint.objects.exclude(checkpoint_ns="").count) > 0
    result = await graph.ainvoke(Command(resume="answer"), config("1"))
    assert [message.content for message in result["messages"]] == ["x", "answer"]
    assert [content for _, content in await rows()] == ["x", "answer"]


def test_bytes_grow_with_the_messages_and_not_with_their_square(thread: Thread) -> None:
    saver = DjangoSaver()
    said: Any = []
    sizes: list[int] = []
    for n in range(60):
        said = [*said, HumanMessage("q" * 100, id=f"h{n}")]
        saved = put(saver, thread, messages=said)
        row = Checkpoint.objects.get(checkpoint_id=saved["configurable"]["checkpoint_id"])
        sizes.append(sum(len(json.dumps(part)) for part in (row.messages, row.data, row.metadata)))
    assert sizes[-1] - sizes[0] < 10
    assert Message.objects.count() == 60
