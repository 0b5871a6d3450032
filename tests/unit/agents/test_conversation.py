"""What of a thread goes to a model."""

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from agents.catalogue import LOCAL_LABEL, MODELS
from agents.conversation import (
    ANSWER_TOKENS,
    estimated_tokens,
    has_notice,
    history,
    newest_that_fit,
    notice,
    spoken,
    with_tool_calls,
)

pytestmark = pytest.mark.once

LOCAL = MODELS[LOCAL_LABEL]
GPT = MODELS["GPT 4o"]


def call(*ids: str, text: str = "") -> AIMessage:
    return AIMessage(text, tool_calls=[{"name": "search", "args": {}, "id": call_id} for call_id in ids])


def result(call_id: str, content: Any = "found") -> ToolMessage:
    return ToolMessage(content, tool_call_id=call_id)


def shape(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    return [(message.type, message.text) for message in messages]


def test_what_was_said_goes_to_every_model() -> None:
    said = [SystemMessage("s"), HumanMessage("q"), AIMessage("a"), HumanMessage("q2")]
    expected = [("system", "s"), ("human", "q"), ("ai", "a"), ("human", "q2")]
    assert shape(spoken(said)) == shape(with_tool_calls(said)) == expected


def test_notices_are_for_people() -> None:
    thread = [HumanMessage("q"), notice("tools_unsupported", "no tools"), AIMessage("a")]
    assert shape(spoken(thread)) == shape(with_tool_calls(thread)) == [("human", "q"), ("ai", "a")]
    assert has_notice(thread, "tools_unsupported")
    assert not has_notice(thread, "other")
    assert not has_notice(spoken(thread), "tools_unsupported")


def test_a_model_without_tools_gets_the_text_alone() -> None:
    thread = [HumanMessage("q"), call("1", text="Let me look."), result("1"), AIMessage("a"), HumanMessage("q2")]
    assert shape(spoken(thread)) == [("human", "q"), ("ai", "Let me look.\na"), ("human", "q2")]
    assert history(thread, LOCAL, system="") == spoken(thread)


def test_answered_calls_go_to_a_model_with_tools() -> None:
    thread = [HumanMessage("q"), call("1", "2"), result("2", "two"), result("1", "one"), AIMessage("a")]
    sent = with_tool_calls(thread)
    assert shape(sent) == [("human", "q"), ("ai", ""), ("tool", "one"), ("tool", "two"), ("ai", "a")]
    assert history(thread, GPT, system="") == sent


@pytest.mark.parametrize(
    "thread",
    [
        [HumanMessage("q"), call("1"), HumanMessage("q2")],
        [HumanMessage("q"), call("1", "2"), result("1"), HumanMessage("q2")],
        [HumanMessage("q"), call("1"), result("other"), HumanMessage("q2")],
        [HumanMessage("q"), result("1"), HumanMessage("q2")],
        [HumanMessage("q"), AIMessage(""), FunctionMessage(content="x", name="search"), HumanMessage("q2")],
    ],
)
def test_nothing_dangles(thread: list[BaseMessage]) -> None:
    assert shape(with_tool_calls(thread)) == shape(spoken(thread)) == [("human", "q"), ("human", "q2")]


def test_the_text_of_an_unanswered_call_is_kept() -> None:
    sent = with_tool_calls([HumanMessage("q"), call("1", text="Let me look."), HumanMessage("q2")])
    assert shape(sent) == [("human", "q"), ("ai", "Let me look."), ("human", "q2")]
    assert not any(message.tool_calls for message in sent if isinstance(message, AIMessage))


def test_documents_become_text() -> None:
    documents = [{"page_content": "one", "metadata": {}, "type": "Document"}, {"page_content": "two"}]
    sent = with_tool_calls([HumanMessage("q"), call("1"), result("1", documents), call("2"), result("2", [])])
    assert [message.content for message in sent if isinstance(message, ToolMessage)] == ["one\n\ntwo", ""]


def test_what_a_provider_left_in_an_answer_is_not_sent_back() -> None:
    answer = AIMessage("a", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}})
    assert with_tool_calls([answer]) == [AIMessage("a")]


def window(tokens: int) -> Any:
    """The local model, with room for this many tokens beside the answer."""
    return replace(LOCAL, context_window=ANSWER_TOKENS + tokens)


TURN = [HumanMessage("q" * 300), AIMessage("a" * 300)]
TURN_TOKENS = 2 * estimated_tokens("q" * 300)
SYSTEM_TOKENS = estimated_tokens("")


def test_a_model_with_an_unknown_window_gets_all() -> None:
    assert newest_that_fit(TURN * 1000, replace(LOCAL, context_window=None), system="") == TURN * 1000


@pytest.mark.parametrize(
    ("room", "turns"), [(TURN_TOKENS * 2, 2), (TURN_TOKENS * 3 - 1, 2), (TURN_TOKENS * 3, 3), (TURN_TOKENS * 9, 5)]
)
def test_the_newest_whole_turns_are_sent(room: int, turns: int) -> None:
    sent = newest_that_fit(TURN * 5, window(room + SYSTEM_TOKENS), system="")
    assert sent == TURN * turns


def test_the_system_message_takes_its_room() -> None:
    entry = window(TURN_TOKENS * 3 + SYSTEM_TOKENS)
    assert newest_that_fit(TURN * 3, entry, system="") == TURN * 3
    assert newest_that_fit(TURN * 3, entry, system="s" * 300) == TURN * 2


def test_the_last_turn_is_sent_even_if_it_is_too_long() -> None:
    last = [HumanMessage("q" * 10_000)]
    assert newest_that_fit([*TURN, *last], window(100), system="") == last


def test_an_opening_line_of_the_assistant_is_sent_while_there_is_room() -> None:
    thread = [AIMessage("Welcome!"), *TURN]
    assert newest_that_fit(thread, window(10_000), system="") == thread
    assert newest_that_fit(thread, window(TURN_TOKENS + SYSTEM_TOKENS), system="") == TURN


def test_a_call_and_its_result_stay_together() -> None:
    turn = [HumanMessage("q"), call("1"), result("1", "r" * 3000), AIMessage("a")]
    assert newest_that_fit([*turn, HumanMessage("q2")], window(500), system="") == [HumanMessage("q2")]


def test_bytes_are_counted_and_not_letters() -> None:
    assert estimated_tokens("漢" * 100) > 2.5 * estimated_tokens("k" * 100)
