from typing import Any

import pytest

from opengpts.errors import Invalid
from threads.message_input import parse_messages

pytestmark = pytest.mark.once

HUMAN = {"type": "human", "content": "hi"}


def shape(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(message["type"], message["content"]) for message in messages]


@pytest.mark.parametrize("value", [[HUMAN], HUMAN, {"messages": [HUMAN]}, {"messages": HUMAN}])
def test_every_way_to_write_one_message(value: Any) -> None:
    assert shape(parse_messages(value, "body", "input")) == [("human", "hi")]


@pytest.mark.parametrize("value", [[], {"messages": []}])
def test_no_messages(value: Any) -> None:
    assert parse_messages(value, "body") == []


@pytest.mark.parametrize(
    ("role", "kind"),
    [("user", "human"), ("assistant", "ai"), ("system", "system"), ("developer", "system"), ("human", "human")],
)
def test_roles(role: str, kind: str) -> None:
    assert shape(parse_messages([{"role": role, "content": "x"}], "body")) == [(kind, "x")]


def test_what_the_api_shows_can_be_sent_back() -> None:
    shown = {
        "content": "x",
        "additional_kwargs": {"a": 1},
        "response_metadata": {},
        "type": "ai",
        "name": None,
        "id": "m1",
        "example": False,
        "tool_calls": [{"name": "f", "args": {"q": 1}, "id": "c1", "type": "tool_call"}],
        "invalid_tool_calls": [],
        "usage_metadata": None,
    }
    (message,) = parse_messages([shown], "body")
    assert message == {key: value for key, value in shown.items() if key != "example"}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "x"},
        {"type": "image_url", "image_url": {"url": "http://example.org/x.png"}},
        {"type": "image", "source_type": "base64", "data": "aa", "mime_type": "image/png"},
        {"type": "image", "base64": "aa", "mime_type": "image/png"},
        {"type": "image", "url": "http://example.org/x.png"},
        {"type": "Document", "page_content": "x", "metadata": {}},
    ],
)
def test_content_in_blocks(block: dict[str, Any]) -> None:
    assert shape(parse_messages([{"type": "human", "content": [block, "and text"]}], "body")) == [
        ("human", [block, "and text"])
    ]


def test_tool_calls_in_openai_form() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"q": 1}'}}
    (message,) = parse_messages([{"role": "assistant", "content": None, "tool_calls": [call]}], "body")
    assert message["content"] == ""
    assert message["tool_calls"] == [{"name": "f", "args": {"q": 1}, "id": "c1", "type": "tool_call"}]


def test_a_message_without_an_id_gets_one() -> None:
    one, two = parse_messages([HUMAN, HUMAN], "body")
    assert one["id"] != two["id"]
    assert parse_messages([{**HUMAN, "id": "mine"}], "body")[0]["id"] == "mine"


def test_removals_only_where_they_are_taken() -> None:
    removal = {"type": "remove", "id": "m1"}
    assert parse_messages([removal], "body")[0]["type"] == "remove"
    with pytest.raises(Invalid) as caught:
        parse_messages([HUMAN, removal], "body", removals=False)
    assert caught.value.details[0]["loc"] == ["body", 1, "type"]


@pytest.mark.parametrize(
    ("value", "loc"),
    [
        ("hello", ["body"]),
        (5, ["body"]),
        ({"foo": 1}, ["body", "messages"]),
        ({"messages": "x"}, ["body", "messages"]),
        ([1], ["body", 0]),
        ([{"content": "x"}], ["body", 0]),
        ([{"type": "zzz", "content": "x"}], ["body", 0, "type"]),
        ([{"type": "human"}], ["body", 0]),
        ([{"type": "human", "content": 5}], ["body", 0, "content", "str"]),
        ([{"type": "human", "content": [{"text": "x"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "text"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "image", "source_type": "base64"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": ["x"], "source_type": {}}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "image_url", "image_url": "x"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "image_url", "image_url": {}}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "image"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": [{"type": "image", "base64": "aa"}]}], ["body", 0, "content"]),
        ([{"type": "human", "content": "x", "id": 5}], ["body", 0, "id"]),
        ([{"type": "human", "content": "x", "id": "a\0"}], ["body", 0, "id"]),
        ([{"type": "human", "content": "x", "id": "i" * 256}], ["body", 0, "id"]),
        ([{"type": "tool", "content": "x"}], ["body", 0]),
        ([{"type": "remove"}], ["body", 0]),
        ([{"role": "assistant", "tool_calls": [{"name": "f", "args": "x"}]}], ["body", 0, "tool_calls", 0]),
    ],
)
def test_what_is_no_message_is_refused_where_it_stands(value: Any, loc: list[Any]) -> None:
    with pytest.raises(Invalid) as caught:
        parse_messages(value, "body")
    assert caught.value.details[0]["loc"][: len(loc)] == loc


@pytest.mark.parametrize("call_id", [{}, {"id": None}, {"id": ""}])
def test_a_tool_call_has_an_id(call_id: dict[str, Any]) -> None:
    call = {"name": "f", "args": {}, **call_id}
    (message,) = parse_messages([{"type": "ai", "content": "", "tool_calls": [call, call]}], "body")
    assert len({call["id"] for call in message["tool_calls"] if call["id"]}) == 2


def test_the_limits_are_reached_before_they_are_passed(settings: Any) -> None:
    settings.MAX_MESSAGES_PER_REQUEST = settings.MAX_CONTENT_BLOCKS = settings.MAX_TOOL_CALLS = 2
    settings.MAX_MESSAGE_CHARACTERS, settings.MAX_MESSAGE_BYTES = 4, 500
    call = {"name": "f", "args": {}, "id": "c"}
    texts = [{"type": "text", "text": "ab"}, "cd"]
    bytes_of_the_rest = 160
    for allowed, refused, setting in (
        ([HUMAN] * 2, [HUMAN] * 3, "MAX_MESSAGES_PER_REQUEST"),
        ([{**HUMAN, "content": texts}], [{**HUMAN, "content": [*texts, ""]}], "MAX_CONTENT_BLOCKS"),
        ([{**HUMAN, "content": texts}], [{**HUMAN, "content": ["abc", "cd"]}], "MAX_MESSAGE_CHARACTERS"),
        ([{**HUMAN, "content": "abcd"}], [{**HUMAN, "content": "abcde"}], "MAX_MESSAGE_CHARACTERS"),
        (
            [{"type": "ai", "content": "", "tool_calls": [call] * 2}],
            [{"type": "ai", "content": "", "tool_calls": [call] * 3}],
            "MAX_TOOL_CALLS",
        ),
        (
            [{**HUMAN, "additional_kwargs": {"a": "x" * (500 - bytes_of_the_rest - 60)}}],
            [{**HUMAN, "additional_kwargs": {"a": "é" * 250}}],
            "MAX_MESSAGE_BYTES",
        ),
    ):
        assert parse_messages(allowed, "body")
        with pytest.raises(Invalid, match=setting):
            parse_messages(refused, "body")


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e999}', "[]", "x"])
def test_arguments_that_are_text_are_taken_as_strictly_as_bodies(arguments: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(Invalid):
        parse_messages([{"role": "assistant", "content": "", "tool_calls": [call]}], "body")
