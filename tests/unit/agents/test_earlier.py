"""A conversation without its beginning is answered as the whole one is, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agents.architectures.chat_retrieval import _is_first_turn, _last_question
from agents.config import AgentConfig
from agents.context_window import ANSWER_TOKENS, newest_that_fit
from agents.conversation import history, notice, readable, spoken, told
from agents.earlier import Earlier, EarlierNeeded
from agents.language_models.builtin_models import LOCAL_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.model_entry import ModelEntry
from agents.reach import reach_of
from agents.tools.specs import ToolSpec

pytestmark = pytest.mark.once

GPT = MODELS["GPT 4o"]
LOCAL = MODELS[LOCAL_LABEL]

texts = st.builds(lambda letter, length: letter * length, st.sampled_from("aé中"), st.integers(0, 400))
image: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
blocks = st.lists(st.one_of(texts.map(lambda text: {"type": "text", "text": text}), st.just(image)), max_size=2)
contents: st.SearchStrategy[Any] = st.one_of(texts, blocks)
call_ids = st.sampled_from("123")
messages = st.one_of(
    contents.map(HumanMessage),
    texts.map(SystemMessage),
    contents.map(AIMessage),
    texts.map(lambda text: notice("kind", text)),
    st.builds(
        lambda text, ids: AIMessage(text, tool_calls=[{"name": "f", "args": {"x": text}, "id": i} for i in ids]),
        texts,
        st.lists(call_ids, min_size=1, max_size=2, unique=True),
    ),
    st.builds(lambda content, call_id: ToolMessage(content, tool_call_id=call_id), contents, call_ids),
)
threads = st.lists(messages, min_size=1, max_size=25)
entries = st.builds(
    lambda entry, room, eyes: replace(entry, context_window=ANSWER_TOKENS + room, can_see_images=eyes),
    st.sampled_from([GPT, LOCAL]),
    st.integers(8, 2000),
    st.booleans(),
)


def cut(thread: list[BaseMessage], number: int) -> list[BaseMessage]:
    """The thread's last messages, behind what stands for the others."""
    return [Earlier(content="", positions=[[1, number]]), *thread[number:]]


def of_spoken(thread: list[BaseMessage], entry: ModelEntry) -> list[BaseMessage]:
    return newest_that_fit(readable(spoken(thread), entry), entry, system="sys")


def of_all(thread: list[BaseMessage], entry: ModelEntry) -> list[BaseMessage]:
    return history(thread, entry, system="sys", reserved=20)


READERS: list[Callable[[list[BaseMessage], ModelEntry], Any]] = [
    of_all,
    of_spoken,
    lambda thread, entry: told(thread, "kind"),
    lambda thread, entry: _is_first_turn(spoken(thread)),
    lambda thread, entry: _last_question(spoken(thread)),
]


@pytest.mark.parametrize("read", READERS, ids=["history", "spoken", "told", "first turn", "last question"])
@settings(deadline=None, max_examples=150)
@given(thread=threads, entry=entries, data=st.data())
def test_what_is_read_is_that_of_the_whole_thread_or_asks_for_it(
    read: Callable[[list[BaseMessage], ModelEntry], Any], thread: list[BaseMessage], entry: ModelEntry, data: Any
) -> None:
    number = data.draw(st.integers(1, len(thread)))
    try:
        found = read(cut(thread, number), entry)
    except EarlierNeeded:
        event("asked for the whole")
    else:
        event("read")
        assert found == read(thread, entry)


@pytest.mark.parametrize(
    ("kind", "read"),
    [("agent", of_all), ("chatbot", of_all), ("chat_retrieval", of_spoken)],
    ids=["agent", "chatbot", "chat_retrieval"],
)
@settings(deadline=None, max_examples=150)
@given(thread=threads, said=contents, entry=entries, data=st.data())
def test_enough_is_enough_whatever_is_said_next(
    kind: Any, read: Any, thread: list[BaseMessage], said: Any, entry: ModelEntry, data: Any
) -> None:
    is_enough = reach_of(AgentConfig(type=kind), entry)
    assert is_enough
    number = data.draw(st.integers(1, len(thread)))
    if is_enough(thread[number:]):
        event("enough")
        assert read([*cut(thread, number), HumanMessage(said)], entry) == read([*thread, HumanMessage(said)], entry)


@pytest.mark.parametrize("kind", ["agent", "chatbot", "chat_retrieval"])
def test_a_window_is_filled_with_few_messages(kind: Any) -> None:
    thread = [message for _ in range(100) for message in (HumanMessage("q" * 300), AIMessage("a" * 300))]
    is_enough = reach_of(AgentConfig(type=kind), replace(GPT, context_window=ANSWER_TOKENS + 1000))
    assert is_enough
    assert not is_enough(thread[-6:])
    assert is_enough(thread[-16:])


def test_a_run_that_may_look_at_everything_is_given_everything() -> None:
    assert reach_of(AgentConfig(), replace(GPT, context_window=None)) is None
    spec = ToolSpec("wikipedia")
    assert reach_of(AgentConfig(tools=(spec,)), GPT)
    assert reach_of(AgentConfig(tools=(spec,)), replace(GPT, can_use_tools=False)) is None


@pytest.mark.parametrize("entry", [GPT, LOCAL], ids=lambda entry: entry.label)
def test_nothing_reads_past_the_beginning_of_what_fits(entry: ModelEntry) -> None:
    """Neither a thread that would fit as a whole, nor one where no person has spoken."""
    talks: list[list[BaseMessage]] = [
        [HumanMessage("q"), AIMessage("a"), HumanMessage("q2")],
        [AIMessage("a"), AIMessage("b")],
    ]
    for thread in talks:
        with pytest.raises(EarlierNeeded):
            history(cut(thread, 1), entry, system="")
        with pytest.raises(EarlierNeeded):
            history(cut(thread, 1), replace(entry, context_window=None), system="")
