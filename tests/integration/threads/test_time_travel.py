"""Going on from an earlier checkpoint of a thread, and reading what was there."""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage

from agents.confirmation import BROKEN_OFF, CONFIRMATION_NODE, NOT_APPROVED
from opengpts.db import in_database_thread
from opengpts.errors import Conflict, Invalid, NotFound
from runs.models import Run
from tests.client import APIClient
from tests.integration.threads.conftest import Echo
from tests.integration.threads.conftest import Run as RunGraph
from threads.checkpoints import UnknownCheckpoint
from threads.models import Checkpoint, Message, Thread
from threads.pending import START
from threads.saver import DjangoSaver
from threads.state import (
    Step,
    append_messages,
    has_checkpoint,
    messages_of_run,
    read_history,
    read_state,
    read_step,
)

pytestmark = pytest.mark.django_db(transaction=True)

CALL = {"name": "add", "args": {}, "id": "c1", "type": "tool_call"}
# What no thread has for a checkpoint; the last ones are no text that every database takes.
NO_CHECKPOINTS = ["", "x", "1f000000-0000-6000-8000-000000000000", "x" * 1000, "\x00", "é", "\ud800"]


def texts(thread: Thread, checkpoint_id: str | None = None) -> list[str]:
    found = read_state(thread=thread, checkpoint_id=checkpoint_id).messages
    return [json.loads(text)["content"] for text in found]


def append(thread: Thread, *messages: Any, at: str | None = None) -> str:
    return append_messages(thread=thread, messages=list(messages), checkpoint_id=at)


def save(thread: Thread, next_nodes: list[str], *messages: Any) -> str:
    """A checkpoint as a graph leaves it that has these nodes to run; its id."""
    checkpoint_id = append(thread, *messages)
    Checkpoint.objects.filter(checkpoint_id=checkpoint_id).update(source="loop", next=next_nodes)
    return checkpoint_id


def test_appending_to_an_earlier_state_makes_a_branch(thread: Thread) -> None:
    first = append(thread, HumanMessage("a", id="a"))
    second = append(thread, HumanMessage("b", id="b"))
    other = append(thread, HumanMessage("c", id="c"), at=first)
    assert read_state(thread=thread).checkpoint_id == other
    assert texts(thread) == ["a", "c"]
    assert texts(thread, second) == ["a", "b"]
    last = append(thread, HumanMessage("d"))
    assert texts(thread) == ["a", "c", "d"]
    parents = {one.checkpoint_id: one.parent_checkpoint_id for one in read_history(thread=thread, limit=10)}
    assert parents == {first: None, second: first, other: first, last: other}


def test_an_id_is_known_where_the_branch_has_it(thread: Thread) -> None:
    first = append(thread, HumanMessage("a", id="a"))
    second = append(thread, HumanMessage("b", id="b"), HumanMessage("A", id="a"))
    other = append(thread, HumanMessage("other b", id="b"), at=first)
    assert texts(thread) == ["a", "other b"]
    append(thread, HumanMessage("B", id="b"), RemoveMessage("a"), at=second)
    assert texts(thread) == ["B"]
    assert [texts(thread, one) for one in (first, second, other)] == [["a"], ["A", "b"], ["a", "other b"]]
    with pytest.raises(Invalid):
        append(thread, RemoveMessage("b"), at=first)
    append(thread, RemoveMessage("__remove_all__"), HumanMessage("only"), at=second)
    assert texts(thread) == ["only"]


def test_what_was_pending_is_looked_for_where_the_branch_begins(thread: Thread) -> None:
    call = AIMessage("", id="ai", tool_calls=[CALL])
    waiting = save(thread, [CONFIRMATION_NODE], HumanMessage("q", id="q"), call)
    broken_off = save(thread, ["tools"], HumanMessage("again"), AIMessage("", id="2", tool_calls=[CALL]))
    append(thread, ToolMessage("3", tool_call_id="c1"))
    assert read_step(thread=thread) == Step([], [], "tool")
    assert read_step(thread=thread, checkpoint_id=waiting) == Step([CONFIRMATION_NODE], [CALL], "ai")
    assert read_step(thread=thread, checkpoint_id=waiting).waiting == [CALL]
    assert read_step(thread=thread, checkpoint_id=broken_off) == Step(["tools"], [CALL], "ai")

    edited = call.model_copy(update={"tool_calls": [{**CALL, "args": {"a": 1}}]})
    append(thread, edited, at=waiting)
    assert [one["args"] for one in read_step(thread=thread).waiting] == [{"a": 1}]
    assert read_state(thread=thread).next == [CONFIRMATION_NODE]

    append(thread, HumanMessage("never mind"), at=waiting)
    assert (texts(thread), read_state(thread=thread).next) == (["q", "", NOT_APPROVED, "never mind"], [])
    append(thread, HumanMessage("go on"), at=broken_off)
    assert texts(thread)[-2:] == [BROKEN_OFF, "go on"]


async def test_a_graph_goes_on_from_the_branch(thread: Thread, echo: Echo, run: RunGraph) -> None:
    await run(echo.graph, HumanMessage("a"))
    answered = (await in_database_thread(read_state, thread=thread)).checkpoint_id
    await run(echo.graph, HumanMessage("b"))
    await in_database_thread(append, thread, HumanMessage("c"), at=answered)
    await run(echo.graph)
    assert echo.seen == ["a", "echo a", "c"]
    await run(echo.graph, HumanMessage("d"))
    assert echo.seen == ["a", "echo a", "c", "echo c", "d"]


async def test_every_checkpoint_of_a_run_can_be_gone_on_from(thread: Thread, echo: Echo, run: RunGraph) -> None:
    await run(echo.graph, HumanMessage("a"))
    await run(echo.graph, HumanMessage("b"))
    history = await in_database_thread(read_history, thread=thread, limit=10)
    assert [START] in [entry.next for entry in history]
    for entry in history:
        said = [json.loads(text)["content"] for text in entry.messages]
        await in_database_thread(append, thread, HumanMessage("x"), at=entry.checkpoint_id)
        state = await in_database_thread(read_state, thread=thread)
        assert state.next == []
        await run(echo.graph)
        assert echo.seen == [*said, "x"]
    graph = echo.graph.copy(update={"checkpointer": DjangoSaver()})
    own = await graph.aget_state({"configurable": {"thread_id": str(thread.pk)}})
    assert [message.content for message in own.values["messages"]] == await in_database_thread(texts, thread)


@pytest.mark.parametrize("checkpoint_id", NO_CHECKPOINTS)
def test_checkpoints_that_there_are_none_of(thread: Thread, checkpoint_id: str) -> None:
    append(thread, HumanMessage("a"))
    thread.refresh_from_db()
    assert not has_checkpoint(thread=thread, checkpoint_id=checkpoint_id)
    for of in (read_state, read_step):
        with pytest.raises(UnknownCheckpoint, match="This thread has no such checkpoint"):
            of(thread=thread, checkpoint_id=checkpoint_id)
    with pytest.raises(NotFound):
        append(thread, HumanMessage("b"), at=checkpoint_id)
    assert (Checkpoint.objects.count(), Message.objects.count()) == (1, 1)
    assert Thread.objects.get() == thread
    assert Thread.objects.get().last_position == thread.last_position


def test_only_checkpoints_of_the_threads_own_graph_count(thread: Thread) -> None:
    mine = append(thread, HumanMessage("a"))
    other = Thread.objects.create(owner=thread.owner, name="other")
    theirs = append(other, HumanMessage("b"))
    inner: Any = {"configurable": {"thread_id": str(thread.pk), "checkpoint_ns": "agent:1"}}
    checkpoint: Any = {"v": 4, "id": "1f", "ts": "", "channel_values": {}, "channel_versions": {}, "versions_seen": {}}
    DjangoSaver().put(inner, checkpoint, {"source": "loop", "step": 1, "parents": {}}, {})
    assert has_checkpoint(thread=thread, checkpoint_id=mine)
    for checkpoint_id in (theirs, "1f"):
        assert not has_checkpoint(thread=thread, checkpoint_id=checkpoint_id)
        with pytest.raises(UnknownCheckpoint):
            append(thread, HumanMessage("c"), at=checkpoint_id)


def test_an_answer_that_was_broken_off(thread: Thread) -> None:
    append(thread, HumanMessage("a", additional_kwargs={"incomplete": "cancelled"}))
    assert not read_step(thread=thread).incomplete
    broken = append(thread, AIMessage("once upon", additional_kwargs={"incomplete": "cancelled"}))
    assert read_step(thread=thread) == Step([], [], "ai", incomplete=True)
    append(thread, AIMessage("a whole one", additional_kwargs={"incomplete": ""}))
    assert not read_step(thread=thread).incomplete
    assert read_step(thread=thread, checkpoint_id=broken).incomplete


async def test_the_messages_of_a_run(thread: Thread, echo: Echo, run: RunGraph, django_assert_num_queries: Any) -> None:
    def of_run(run_id: str) -> list[str]:
        return [json.loads(text)["content"] for text in messages_of_run(thread=thread, run_id=run_id)]

    await run(echo.graph, HumanMessage("a", id="a"))
    await run(echo.graph, HumanMessage("b"))
    await in_database_thread(append, thread, HumanMessage("posted"))
    await run(echo.graph, HumanMessage("A", id="a"), HumanMessage("c"), RemoveMessage("__remove_all__"), AIMessage("z"))
    found = [await in_database_thread(of_run, f"run-{number}") for number in range(5)]
    assert found == [[], ["a", "echo a"], ["b", "echo b"], ["z", "echo z"], []]

    await run(echo.graph, HumanMessage("d", id="d"))
    await run(echo.graph, HumanMessage("D", id="d"), HumanMessage("e"))
    assert await in_database_thread(texts, thread) == ["z", "echo z", "D", "echo d", "e", "echo e"]

    def counted() -> list[str]:
        with django_assert_num_queries(3, connection=connection):
            return of_run("run-5")

    assert await in_database_thread(counted) == ["D", "e", "echo e"]


# By HTTP


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def path(alice: APIClient) -> str:
    return f"/threads/{alice.make_thread()}"


def post(client: APIClient, path: str, text: str, config: Any = None) -> Any:
    body = {"values": [{"type": "human", "content": text}], "config": config}
    return client("POST", f"{path}/state", body)


def contents(client: APIClient, path: str, query: str = "") -> list[str]:
    return [message["content"] for message in client("GET", f"{path}/state{query}").json()["values"]]


def test_a_state_of_the_past_is_read_and_gone_on_from(alice: APIClient, path: str) -> None:
    post(alice, path, "a")
    [entry] = alice("GET", f"{path}/history").json()
    post(alice, path, "b")
    past = f"?checkpoint_id={entry['config']['configurable']['checkpoint_id']}"
    assert contents(alice, path, past) == ["a"]
    response = post(alice, path, "c", entry["config"])
    assert (response.status_code, response.json()) == (200, None)
    assert (contents(alice, path), contents(alice, path, past)) == (["a", "c"], ["a"])


@pytest.mark.parametrize("config", [None, {}, {"configurable": None}, {"configurable": {"checkpoint_id": None}}])
def test_a_config_that_names_no_checkpoint(alice: APIClient, path: str, config: Any) -> None:
    post(alice, path, "a")
    assert post(alice, path, "b", config).status_code == 200
    assert contents(alice, path) == ["a", "b"]


@pytest.mark.parametrize("checkpoint_id", [*NO_CHECKPOINTS[:-1], "another thread's"])
def test_a_checkpoint_that_the_thread_has_not(alice: APIClient, path: str, checkpoint_id: str) -> None:
    post(alice, path, "a")
    if checkpoint_id == "another thread's":
        other = f"/threads/{alice.make_thread()}"
        post(alice, other, "x")
        [entry] = alice("GET", f"{other}/history").json()
        checkpoint_id = entry["config"]["configurable"]["checkpoint_id"]
    missing = {"detail": "This thread has no such checkpoint."}
    config = {"configurable": {"thread_id": path, "checkpoint_id": checkpoint_id}}
    for response in (
        post(alice, path, "b", config),
        alice("GET", f"{path}/state?{urlencode({'checkpoint_id': checkpoint_id})}"),
    ):
        assert (response.status_code, response.json()) == (404, missing)
    assert contents(alice, path) == ["a"]


@pytest.mark.parametrize("checkpoint_id", [1, True, [], {"id": "x"}])
def test_a_checkpoint_id_that_is_no_text(alice: APIClient, path: str, checkpoint_id: Any) -> None:
    response = post(alice, path, "b", {"configurable": {"checkpoint_id": checkpoint_id}})
    assert response.status_code == 422
    assert response.json()["detail"] == [
        {
            "type": "string_type",
            "loc": ["body", "config", "configurable", "checkpoint_id"],
            "msg": "Input should be a valid string",
            "input": checkpoint_id,
        }
    ]
    assert contents(alice, path) == []


def test_no_branch_begins_while_a_run_goes_on(alice: APIClient, path: str) -> None:
    post(alice, path, "a")
    [entry] = alice("GET", f"{path}/history").json()
    thread = Thread.objects.get(pk=uuid.UUID(path.removeprefix("/threads/")))
    Run.objects.create(thread=thread, owner=thread.owner, status="running")
    assert post(alice, path, "b", entry["config"]).status_code == Conflict("").status
    assert contents(alice, path) == ["a"]


def test_others_learn_nothing_of_a_threads_past(alice: APIClient, path: str) -> None:
    post(alice, path, "a")
    [entry] = alice("GET", f"{path}/history").json()
    checkpoint_id = entry["config"]["configurable"]["checkpoint_id"]
    bob = APIClient("bob")
    assert bob("GET", f"{path}/state?checkpoint_id={checkpoint_id}").status_code == 404
    assert post(bob, path, "b", entry["config"]).status_code == 404
    assert bob("GET", f"{path}/branches").status_code == 404
    assert post(bob, f"/threads/{bob.make_thread()}", "b", entry["config"]).status_code == 404
