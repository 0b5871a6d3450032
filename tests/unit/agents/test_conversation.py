"""What of a thread goes to a model."""

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from agents.context_window import (
    ANSWER_TOKENS,
    CUT_OFF,
    LEFT_OUT,
    MEDIA_TOKENS,
    RESULT_SHARE,
    estimated_tokens,
    message_tokens,
    newest_that_fit,
)
from agents.conversation import history, notice, spoken, told, with_tool_calls
from agents.language_models.builtin_models import LOCAL_LABEL
from agents.language_models.catalogue import MODELS

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
    assert told(thread, "tools_unsupported") == "no tools"
    assert told([*thread, notice("tools_unsupported", "again")], "tools_unsupported") == "again"
    assert told(thread, "other") is None
    assert told(spoken(thread), "tools_unsupported") is None


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


def step(number: int, *sizes: int) -> list[BaseMessage]:
    """An answer with calls, and results of so many characters."""
    ids = [f"{number}.{place}" for place in range(len(sizes))]
    return [call(*ids), *(result(call_id, "r" * size) for call_id, size in zip(ids, sizes, strict=True))]


def total(messages: list[BaseMessage]) -> int:
    return sum(map(message_tokens, messages))


def contents(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages if isinstance(message, ToolMessage)]


def test_a_turn_with_small_results_is_left_alone() -> None:
    turn = [HumanMessage("q"), *step(1, 300, 300)]
    assert newest_that_fit(turn, window(2000), system="") == turn


def test_one_result_has_a_share_of_the_window_at_most() -> None:
    entry = window(7000)
    turn = [HumanMessage("q"), *step(1, 90_000)]
    sent = newest_that_fit([*TURN, *turn], entry, system="")
    [kept] = contents(sent)
    assert kept.endswith(CUT_OFF)
    assert 0.9 < message_tokens(sent[-1]) / (RESULT_SHARE * entry.context_window) <= 1
    assert contents(turn) == ["r" * 90_000]


def test_results_of_earlier_steps_go_first_and_of_them_the_biggest() -> None:
    turn = [HumanMessage("q"), *step(1, 1000, 2000), *step(2, 1500), *step(3, 2000)]
    sent = newest_that_fit(turn, window(2000), system="")
    assert contents(sent) == ["r" * 1000, LEFT_OUT, "r" * 1500, "r" * 2000]
    sent = newest_that_fit(turn, window(1400), system="")
    assert [content == LEFT_OUT for content in contents(sent)] == [False, True, True, False]


def test_the_last_step_shares_what_room_there_is() -> None:
    entry = window(3000)
    turn = [HumanMessage("q"), *step(1, 9000), *step(2, *[9000] * 8)]
    sent = newest_that_fit(turn, entry, system="")
    assert total(sent) <= 3000
    first, *last = contents(sent)
    assert first == LEFT_OUT
    assert {len(content) for content in last} == {len(last[0])}
    assert all(content.startswith("rrr") and content.endswith(CUT_OFF) for content in last)
    assert [type(message) for message in sent] == [type(message) for message in turn]


def test_the_tools_take_their_room() -> None:
    thread = [*TURN, *TURN]
    entry = window(TURN_TOKENS * 2 + SYSTEM_TOKENS)
    assert newest_that_fit(thread, entry, system="") == thread
    assert newest_that_fit(thread, entry, system="", reserved=10) == TURN


IMAGES: list[Any] = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 100_000}"}},
    {"type": "image", "base64": "A" * 100_000, "mime_type": "image/png"},
    {"type": "image", "source_type": "base64", "data": "A" * 100_000, "mime_type": "image/png"},
]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_counts_as_one_and_reaches_the_model(image: Any) -> None:
    asked = HumanMessage([{"type": "text", "text": "what is this?"}, image])
    assert MEDIA_TOKENS < message_tokens(asked) < MEDIA_TOKENS + 30
    assert history([asked], GPT, system="") == [asked]
    assert spoken([asked]) == [asked]
    for blind in (LOCAL, replace(GPT, can_see_images=False)):
        [seen] = history([asked], blind, system="")
        assert seen.content == "what is this?\n\n[image]"


@pytest.mark.parametrize(
    "named",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/x.png"}},
        {"type": "image_url", "image_url": "/etc/passwd"},
        {"type": "image", "url": "https://example.org/x.png"},
        {"type": "image", "source_type": "url", "url": "https://example.org/x.png"},
    ],
)
def test_a_file_at_an_address_is_not_for_a_package_that_would_fetch_it(named: Any) -> None:
    asked = HumanMessage([{"type": "text", "text": "what is this?"}, named, IMAGES[0]])
    [seen] = history([asked], MODELS["GEMINI"], system="")
    assert seen.content == [asked.content[0], {"type": "text", "text": "[image]"}, IMAGES[0]]
    assert history([asked], GPT, system="") == [asked]


def test_an_image_in_a_result_is_not_sent_as_text() -> None:
    sent = with_tool_calls([HumanMessage("q"), call("1"), result("1", [{"type": "text", "text": "a map"}, IMAGES[1]])])
    assert contents(sent) == ["a map\n\n[image]"]


REASONED: list[Any] = [{"type": "reasoning", "reasoning": "hm", "index": 0}, {"type": "text", "text": "Let me look."}]


def test_reasoning_goes_back_in_the_turn_that_runs_and_later_no_more() -> None:
    calling = AIMessage(REASONED, tool_calls=call("1").tool_calls, response_metadata={"model_provider": "openai"})
    turn = [HumanMessage("q"), calling, result("1")]
    assert with_tool_calls(turn)[1] == calling
    later = with_tool_calls([*turn, AIMessage(REASONED), HumanMessage("q2")])
    assert [message.content for message in later] == ["q", "Let me look.", "found", "Let me look.", "q2"]


def test_results_are_found_however_many_were_posted() -> None:
    thread = [HumanMessage("q"), call("1", "2"), result("1", "one"), result("1", "again"), result("2", "two")]
    assert shape(with_tool_calls(thread))[2:] == [("tool", "one"), ("tool", "two")]
