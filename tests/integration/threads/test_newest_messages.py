"""A saver that loads the newest messages alone stores what one that loads them all stores."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, Send, interrupt

from agents.earlier import Earlier, EarlierNeeded, is_cut_off
from agents.reach import IsEnough
from opengpts.db import in_database_thread
from tests.integration.threads.test_saver import at, checkpoint, load, put
from threads import checkpoint_reader
from threads.models import Checkpoint, Message, Thread
from threads.saver import DjangoSaver
from threads.state import append_messages

pytestmark = pytest.mark.django_db(transaction=True)

# Messages that a run is given here at least.
NEWEST = 3


def is_enough(messages: Sequence[BaseMessage]) -> bool:
    return len(messages) >= NEWEST


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_reader, "FIRST", 1)
    monkeypatch.setattr(checkpoint_reader, "GROWTH", 2)


class Scripted:
    """A graph of two nodes that add what they are told to. `seen` are the messages that the first was given."""

    def __init__(self) -> None:
        self.first: list[Any] = []
        self.second: list[Any] = []
        self.fails = False
        # The newest checkpoint before the run, which knows by that whether it has begun.
        self.before: str | None = None
        self.calls = 0
        self.seen: list[BaseMessage] = []
        graph = StateGraph(MessagesState)
        graph.add_node("first", self._first)
        graph.add_node("second", self._second)
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        graph.add_edge("second", END)
        self._graph = graph.compile()

    async def _first(self, state: MessagesState) -> dict[str, Any]:
        self.calls += 1
        self.seen = list(state["messages"])
        return {"messages": self.first}

    async def _second(self, state: MessagesState) -> dict[str, Any]:
        if self.fails:
            raise RuntimeError("broken off")
        return {"messages": self.second}

    async def run(
        self, thread: Thread, given: Sequence[Any] | None, enough: IsEnough | None, checkpoint_id: str | None = None
    ) -> None:
        """Run it on the thread, from a checkpoint or the newest; with `enough` as a run of the server would."""
        saver = DjangoSaver(is_enough=enough)
        graph = self._graph.copy(update={"checkpointer": saver})
        # Copies: LangGraph keeps the objects, and another run shall not share them.
        copies: Any = None if given is None else {"messages": [message.model_copy() for message in given]}
        try:
            await graph.ainvoke(copies, at(thread, checkpoint_id))
        except Exception as error:
            if not saver.needs_earlier and not isinstance(error, EarlierNeeded):
                raise
            assert enough
            newest = await in_database_thread(Checkpoint.objects.filter(thread=thread).order_by("checkpoint_id").last)
            begun = newest is not None and newest.checkpoint_id not in (checkpoint_id, self.before)
            await self.run(thread, None if begun else given, None, None if begun else checkpoint_id)


def stored(thread: Thread) -> list[tuple[str, str | None, Any]]:
    """The conversation as it stands, all of it."""
    found = DjangoSaver().get_tuple(at(thread))
    messages = found.checkpoint["channel_values"].get("messages", []) if found else []
    return [(message.type, message.id, message.content) for message in messages]


async def newest_id(thread: Thread) -> str | None:
    found = await in_database_thread(Checkpoint.objects.filter(thread=thread).order_by("checkpoint_id").last)
    return found.checkpoint_id if found else None


class Threads:
    """Two threads to which the same happens: one is loaded whole, of the other the newest messages alone."""

    def __init__(self, whole: Thread) -> None:
        self.whole = whole
        self.cut = Thread.objects.create(owner=whole.owner, name="cut")
        self.graph = Scripted()
        self.said = 0

    def new(self, kind: type[HumanMessage] | type[AIMessage] = HumanMessage, message_id: str = "") -> BaseMessage:
        self.said += 1
        return kind(f"said {self.said}", id=message_id or f"m{self.said}")

    async def run(self, *given: BaseMessage, first: Sequence[Any] = (), second: Sequence[Any] = ()) -> None:
        """One run on each."""
        for thread, enough in ((self.whole, None), (self.cut, is_enough)):
            self.graph.first = [message.model_copy() for message in first]
            self.graph.second = [message.model_copy() for message in second]
            self.graph.before = await newest_id(thread)
            await self.graph.run(thread, given, enough)
        await self.compare()

    async def compare(self) -> list[Any]:
        whole, cut = [await in_database_thread(stored, thread) for thread in (self.whole, self.cut)]
        assert cut == whole
        return whole


@pytest.fixture
def threads(thread: Thread) -> Threads:
    return Threads(thread)


async def grow(threads: Threads, turns: int = 5) -> None:
    for _ in range(turns):
        await threads.run(threads.new(), first=[threads.new(AIMessage)])


async def test_a_run_is_given_the_newest_messages_and_saves_them_all(threads: Threads) -> None:
    await grow(threads)
    earlier, *newest = threads.graph.seen
    assert isinstance(earlier, Earlier)
    assert [message.id for message in newest] == ["m5", "m6", "m7", "m8", "m9"]
    assert len(await threads.compare()) == 10
    rows = await in_database_thread(list, Checkpoint.objects.filter(thread=threads.cut).order_by("-checkpoint_id"))
    assert rows[0].messages == {"messages": [[1, 10]]}
    assert await in_database_thread(Message.objects.filter(thread=threads.cut).count) == 10
    assert not await in_database_thread(Message.objects.filter(type="earlier").exists)


async def test_a_short_thread_is_loaded_whole(threads: Threads) -> None:
    await threads.run(threads.new(), first=[threads.new(AIMessage)])
    assert not is_cut_off(threads.graph.seen)


async def test_a_message_with_the_id_of_one_that_is_not_loaded_replaces_it(threads: Threads) -> None:
    await grow(threads)
    await threads.run(threads.new(message_id="m2"))
    assert (await threads.compare())[1] == ("human", "m2", "said 11")
    threads.graph.calls = 0
    await threads.run(threads.new(), first=[threads.new(AIMessage, "m1")])
    # Once for each thread: what it has answered is kept.
    assert threads.graph.calls == 2
    assert (await threads.compare())[0] == ("ai", "m1", "said 13")
    await threads.run(threads.new(), second=[threads.new(AIMessage, "m3")])
    assert (await threads.compare())[2] == ("ai", "m3", "said 15")


async def test_the_same_message_again_is_at_its_old_place(threads: Threads) -> None:
    await grow(threads)
    await threads.run(HumanMessage("said 1", id="m1"))
    assert [message_id for _, message_id, _ in await threads.compare()] == [f"m{n}" for n in range(1, 11)]


async def test_everything_can_be_removed(threads: Threads) -> None:
    await grow(threads)
    await threads.run(threads.new(), first=[RemoveMessage(id=REMOVE_ALL_MESSAGES), threads.new(AIMessage)])
    assert len(await threads.compare()) == 1


async def test_removing_what_is_not_loaded_fails_and_changes_nothing(threads: Threads) -> None:
    """As removing what is not there does."""
    await grow(threads)
    before = await threads.compare()
    threads.graph.first = [RemoveMessage(id="m1")]
    with pytest.raises(ValueError, match="doesn't exist"):
        await threads.graph.run(threads.cut, [], is_enough)
    assert await in_database_thread(stored, threads.cut) == before


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_the_conversation_is_the_same(threads: Threads, seed: int) -> None:
    draw = random.Random(seed)
    cut_off = 0

    def some(kind: Any) -> list[BaseMessage]:
        """New messages, and new versions of old ones, loaded or not."""
        return [
            threads.new(kind, f"m{draw.randint(1, threads.said)}" if threads.said and draw.random() < 0.15 else "")
            for _ in range(draw.randint(0, 3))
        ]

    for _ in range(12):
        match draw.choice(["run", "run", "run", "post", "fork", "broken", "clear"]):
            case "run":
                await threads.run(*some(HumanMessage), first=some(AIMessage), second=some(AIMessage))
            case "post":
                posted = [*some(HumanMessage), threads.new()]
                for thread in (threads.whole, threads.cut):
                    await in_database_thread(append_messages, thread=thread, messages=posted)
            case "fork":
                await fork(threads, draw, some(HumanMessage), some(AIMessage))
            case "broken":
                await broken_off(threads, some(HumanMessage), some(AIMessage), some(AIMessage))
            case "clear":
                await threads.run(threads.new(), first=[RemoveMessage(id=REMOVE_ALL_MESSAGES), *some(AIMessage)])
        await threads.compare()
        cut_off += is_cut_off(threads.graph.seen)
    assert cut_off


async def fork(threads: Threads, draw: random.Random, given: Sequence[Any], first: Sequence[Any]) -> None:
    """Go on from an earlier state: the one of the same number in both, for LangGraph names them anew."""
    states = [
        await in_database_thread(
            list,
            Checkpoint.objects.filter(thread=thread).order_by("checkpoint_id").values_list("checkpoint_id", flat=True),
        )
        for thread in (threads.whole, threads.cut)
    ]
    if len(states[0]) != len(states[1]) or not states[0]:
        # A run that went on with its whole thread has saved one more.
        return
    number = draw.randrange(len(states[0]))
    for thread, ids, enough in zip((threads.whole, threads.cut), states, (None, is_enough), strict=True):
        threads.graph.first, threads.graph.second = [message.model_copy() for message in first], []
        threads.graph.before = ids[-1]
        await threads.graph.run(thread, given, enough, ids[number])


async def broken_off(threads: Threads, given: Sequence[Any], first: Sequence[Any], second: Sequence[Any]) -> None:
    """A run that fails before its last node, and goes on later."""
    graph = threads.graph
    for thread, enough in ((threads.whole, None), (threads.cut, is_enough)):
        graph.first = [message.model_copy() for message in first]
        graph.second = [message.model_copy() for message in second]
        graph.fails, graph.before = True, await newest_id(thread)
        with pytest.raises(RuntimeError, match="broken off"):
            await graph.run(thread, given, enough)
        graph.fails, graph.before = False, await newest_id(thread)
        await graph.run(thread, None, enough)


async def test_what_waits_for_a_person_goes_on(thread: Thread) -> None:
    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("well?"), id="answer")]}

    async def fan_out(state: MessagesState) -> Command[Any]:
        return Command(goto=[Send("ask", state)])

    builder = StateGraph(MessagesState)
    builder.add_node("fan_out", fan_out, destinations=("ask",))
    builder.add_node("ask", ask)
    builder.add_edge(START, "fan_out")
    graph = builder.compile()
    await in_database_thread(put, DjangoSaver(), thread, messages=[HumanMessage(str(n), id=f"{n}") for n in range(9)])
    steps: list[Any] = [{"messages": [HumanMessage("q", id="q")]}, Command(resume="yes")]
    for given in steps:
        await graph.copy(update={"checkpointer": DjangoSaver(is_enough=is_enough)}).ainvoke(given, at(thread))
    found = await in_database_thread(stored, thread)
    assert [message_id for _, message_id, _ in found] == [*map(str, range(9)), "q", "answer"]


def test_only_the_conversation_of_the_graph_itself_is_cut(thread: Thread) -> None:
    said = [HumanMessage(str(n), id=f"{n}") for n in range(9)]
    saver = DjangoSaver()
    saved = put(saver, thread, messages=said, n=1)
    values = load(saved, DjangoSaver(is_enough=is_enough)).checkpoint["channel_values"]
    assert is_cut_off(values["messages"])
    assert len(values["messages"]) < len(said)
    assert values["n"] == 1
    inner: Any = {"configurable": {**at(thread)["configurable"], "checkpoint_ns": "inner"}}
    saved = saver.put(inner, checkpoint(messages=said), {"source": "loop", "step": 1, "parents": {}}, {})
    assert load(saved, DjangoSaver(is_enough=is_enough)).checkpoint["channel_values"] == {"messages": said}
    # Nor is one cut where messages wait to be added to it.
    saver.put_writes(saved, [("messages", said[:1])], "task")
    assert load(saved, DjangoSaver(is_enough=is_enough)).checkpoint["channel_values"]["messages"] == said
    saved = put(saver, thread, messages=said, input={"messages": said[:1]})
    assert load(saved, DjangoSaver(is_enough=is_enough)).checkpoint["channel_values"]["messages"] == said
    # Reading many at once reads everything.
    listed = list(DjangoSaver(is_enough=is_enough).list(at(thread)))
    assert listed[0].checkpoint["channel_values"]["messages"] == said
