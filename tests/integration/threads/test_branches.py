"""The branches of a thread, as they are listed."""

import json
import uuid
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import Messages, add_messages

from accounts.models import User
from opengpts.db import in_database_thread
from tests.client import APIClient
from tests.integration.threads.conftest import Echo, Run
from threads.branches import Branch, read_branches
from threads.message_codec import encode_message
from threads.models import Checkpoint, Thread
from threads.state import append_messages, read_history, read_state

pytestmark = pytest.mark.django_db(transaction=True)


def append(thread: Thread, *messages: Any, at: str | None = None) -> str:
    return append_messages(thread=thread, messages=list(messages), checkpoint_id=at)


def branches_of(thread: Thread, limit: int = 1000, offset: int = 0) -> list[Branch]:
    return read_branches(thread=thread, limit=limit, offset=offset)[0]


def test_a_thread_without_state_has_none(thread: Thread) -> None:
    assert read_branches(thread=thread, limit=10) == ([], 0)


def test_each_tells_where_it_ends_and_where_it_began(thread: Thread, django_assert_num_queries: Any) -> None:
    first = append(thread, HumanMessage("a", id="a"))
    second = append(thread, AIMessage("b", id="b"))
    third = append(thread, HumanMessage("c", id="c"))
    other = append(thread, HumanMessage("d", id="d"), at=second)
    newest = append(thread, RemoveMessage("a"), at=first)
    with django_assert_num_queries(3):
        branches, total = read_branches(thread=thread, limit=10)
    assert total == 3
    at = dict(Checkpoint.objects.values_list("checkpoint_id", "created_at"))
    assert branches == [
        Branch(newest, None, True, at[newest], 0, None, []),
        Branch(other, first, False, at[other], 3, encode_message(HumanMessage("d", id="d")), []),
        Branch(third, second, False, at[third], 3, encode_message(HumanMessage("c", id="c")), []),
    ]
    assert branches[0].checkpoint_id == read_state(thread=thread).checkpoint_id


async def test_the_steps_of_a_run_are_no_branches(thread: Thread, echo: Echo, run: Run) -> None:
    await run(echo.graph, HumanMessage("a"))
    history = await in_database_thread(read_history, thread=thread, limit=10)
    await run(echo.graph, HumanMessage("b"))
    [branch] = await in_database_thread(branches_of, thread)
    assert (branch.messages, branch.fork, branch.next) == (4, None, [])
    await in_database_thread(append, thread, HumanMessage("c"), at=history[1].checkpoint_id)
    echo.fails = True
    with pytest.raises(RuntimeError):
        await run(echo.graph, HumanMessage("d"))
    new, old = await in_database_thread(branches_of, thread)
    assert (new.messages, new.current, new.next) == (3, True, ["agent"])
    assert (old.checkpoint_id, old.current, old.fork) == (branch.checkpoint_id, False, history[1].checkpoint_id)


def test_pages(thread: Thread) -> None:
    first = append(thread, HumanMessage("a"))
    for number in range(7):
        append(thread, HumanMessage(str(number)), at=first)
    whole = branches_of(thread)
    assert [json.loads(one.last_message or "")["content"] for one in whole] == [str(n) for n in range(6, -1, -1)]
    pages = [read_branches(thread=thread, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [branch for page, _ in pages for branch in page] == whole
    assert {total for _, total in pages} == {7}
    assert [one.current for one in whole] == [True] + [False] * 6


def test_large_messages_come_in_portions(thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.branches.HISTORY_SIZE", 2500)
    first = append(thread, HumanMessage("a"))
    for _ in range(5):
        append(thread, HumanMessage("x" * 1000), at=first)
    assert len(branches_of(thread)) == 2
    monkeypatch.setattr("threads.branches.HISTORY_SIZE", 10)
    assert read_branches(thread=thread, limit=10) == (branches_of(thread, limit=1), 5)


def test_by_http() -> None:
    alice = APIClient("alice")
    thread = alice.make_thread()
    path = f"/threads/{thread}"
    for text in "ab":
        alice("POST", f"{path}/state", {"values": [{"type": "human", "content": text, "id": text}]})
    newest, oldest = alice("GET", f"{path}/history").json()
    values = [{"type": "human", "content": "ç", "id": "c"}]
    alice("POST", f"{path}/state", {"values": values, "config": oldest["config"]})
    response = alice("GET", f"{path}/branches")
    assert response.headers["X-Total-Count"] == "2"
    [state, *_] = alice("GET", f"{path}/history").json()
    created = {row.checkpoint_id: row.created_at for row in Checkpoint.objects.all()}
    assert response.json() == [
        {
            "checkpoint_id": entry["config"]["configurable"]["checkpoint_id"],
            "fork": fork,
            "current": fork is None,
            "created_at": created[entry["config"]["configurable"]["checkpoint_id"]].isoformat().replace("+00:00", "Z"),
            "messages": 2,
            "last_message": entry["values"][-1],
            "next": [],
            "config": entry["config"],
        }
        for entry, fork in ((state, None), (newest, oldest["config"]["configurable"]["checkpoint_id"]))
    ]
    page = alice("GET", f"{path}/branches/?limit=1&offset=1")
    assert (page.json(), page.headers["X-Total-Count"]) == (response.json()[1:], "2")
    assert alice("GET", f"{path}/branches?limit=0").status_code == 422
    assert alice("GET", f"/threads/{uuid.uuid4()}/branches").status_code == 404


def test_a_thread_whose_assistant_is_gone_still_tells() -> None:
    alice = APIClient("alice")
    assistant = alice.make_assistant()
    path = f"/threads/{alice.make_thread(assistant)}"
    alice("POST", f"{path}/state", {"values": [{"type": "human", "content": "a"}]})
    alice("DELETE", f"/assistants/{assistant}")
    assert [branch["messages"] for branch in alice("GET", f"{path}/branches").json()] == [1]


def test_the_document_tells_of_them() -> None:
    document = APIClient()("GET", "/openapi.json").json()
    operation = document["paths"]["/threads/{id}/branches/"]["get"]
    assert {one["name"] for one in operation["parameters"]} == {"id", "limit", "offset"}
    assert "200" in operation["responses"]
    state = document["paths"]["/threads/{id}/state/"]["get"]
    assert "checkpoint_id" in {one["name"] for one in state["parameters"]}


# What is said, where: which of the checkpoints so far (the newest for none), and under which id (removed for no text).
SAID = st.lists(
    st.tuples(
        st.none() | st.integers(0, 30),
        st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", ""])), min_size=1, max_size=3),
    ),
    max_size=12,
)
Conversation = list[BaseMessage]


def messages_for(conversation: Conversation, said: list[tuple[str, str]]) -> Conversation:
    """The messages that say this; nobody is removed who is not there."""
    messages: Conversation = []
    for message_id, text in said:
        if text:
            messages.append(HumanMessage(text, id=message_id))
        elif message_id in {one.id for one in [*conversation, *messages]}:
            messages.append(RemoveMessage(message_id))
    return messages


def plainly(conversation: Conversation, messages: Conversation) -> Conversation:
    return cast(Conversation, add_messages(cast(Messages, conversation), cast(Messages, messages)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID)
def test_branches_are_what_adding_to_lists_makes(transactional_db: None, said: Any) -> None:
    owner, _ = User.objects.get_or_create(username="alice")
    thread = Thread.objects.create(owner=owner, name="t")
    made: list[tuple[str, int | None, Conversation]] = []
    for place, texts in said:
        parent = (len(made) - 1 if place is None else place % len(made)) if made else None
        before = made[parent][2] if parent is not None else []
        messages = messages_for(before, texts)
        at = made[parent][0] if parent is not None and place is not None else None
        made.append((append(thread, *messages, at=at), parent, plainly(before, messages)))

    for checkpoint_id, _, conversation in made:
        state = read_state(thread=thread, checkpoint_id=checkpoint_id)
        assert state.messages == [encode_message(message) for message in conversation]
    parents = {parent for _, parent, _ in made}
    leaves = [number for number in reversed(range(len(made))) if number not in parents]
    branches = branches_of(thread)
    assert [branch.checkpoint_id for branch in branches] == [made[leaf][0] for leaf in leaves]
    assert [branch.current for branch in branches] == [number == 0 for number in range(len(leaves))]
    for branch, leaf in zip(branches, leaves, strict=True):
        conversation = made[leaf][2]
        assert branch.messages == len(conversation)
        assert branch.last_message == (encode_message(conversation[-1]) if conversation else None)
