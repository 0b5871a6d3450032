"""A message's row gives back the same message, and its JSON is what the API shows."""

import dataclasses
import enum
import json
import subprocess
import sys
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    ToolMessageChunk,
)

from threads.message_codec import (
    UnstorableMessage,
    decode_message,
    encode_message,
    encode_row,
    from_wire,
    to_wire,
)


@dataclasses.dataclass
class Chart:
    points: list[float]


class Mood(enum.Enum):
    GLAD = "glad"


class Shout(HumanMessage):
    """A class of our own under a type that LangChain has."""

    volume: int = 11


TOOL_CALL = {"name": "search", "args": {"q": "é\u2028", "n": 1, "f": 1.0}, "id": "call_1", "type": "tool_call"}
INVALID_CALL = {"name": "search", "args": "{", "id": "c", "error": "not JSON", "type": "invalid_tool_call"}
USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_token_details": {"cache_read": 1}}
REASONING: list[str | dict[Any, Any]] = [
    {"type": "reasoning", "reasoning": "hm", "index": 0, "extras": {"signature": "x"}},
    {"type": "text", "text": "so"},
    "and plain",
]

JSON_ONLY: list[BaseMessage] = [
    HumanMessage("hi"),
    HumanMessage("hi", id="1", name="bob", additional_kwargs={"a": {"b": [1, 2.5, None, True]}}),
    HumanMessage("hi", example=True),
    HumanMessage("a\x00b", id="nul\x00"),
    HumanMessage("half \ud800 of a pair"),
    HumanMessage("", id=""),
    HumanMessage("long id", id="x" * 300),
    HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]),
    AIMessage("", tool_calls=[TOOL_CALL], invalid_tool_calls=[INVALID_CALL], usage_metadata=USAGE, id="run-1"),
    AIMessage(REASONING, response_metadata={"finish_reason": "stop", "logprobs": None, "big": 2**80}),
    AIMessage("x", example=True, more={"of": "it"}),
    AIMessageChunk(content="par", id="c", tool_call_chunks=[{"name": "f", "args": "{", "id": "1", "index": 0}]),
    SystemMessage("be brief"),
    ToolMessage("42", tool_call_id="call_1", artifact={"raw": [1, "two"]}, status="error", name="search"),
    ToolMessageChunk(content="4", tool_call_id="call_1"),
    FunctionMessage(content="42", name="search"),
    ChatMessage(content="aye", role="pirate"),
    HumanMessageChunk(content="h"),
    RemoveMessage("gone"),
    RemoveMessage("__remove_all__"),
]
NOT_JSON: list[BaseMessage] = [
    ToolMessage("x", tool_call_id="1", artifact=b"\x00\xff"),
    ToolMessage("x", tool_call_id="1", artifact=Chart([1, 2.0])),
    ToolMessage("x", tool_call_id="1", artifact=[Document("page", metadata={"n": 1})]),
    ToolMessage("x", tool_call_id="1", artifact={"mood": Mood.GLAD, "set": {1, 2}}),
    HumanMessage("x", additional_kwargs={1: "not a string"}),
    HumanMessage("x", example=False),
    Shout(content="HEY", volume=12),
]


def round_trip(message: BaseMessage) -> Any:
    row = encode_row(message)
    return decode_message(row.data, row.exact_type, row.exact)


def kinds(value: Any) -> Any:
    """A value as the types of all its parts: 1, 1.0 and True are equal, and not the same."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    return [kinds(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("message", JSON_ONLY + NOT_JSON, ids=repr)
def test_a_row_gives_back_the_message(message: BaseMessage) -> None:
    restored = round_trip(message)
    assert restored == message
    assert type(restored) is type(message)
    assert kinds(restored.__dict__) == kinds(message.__dict__)
    assert restored.__pydantic_extra__ == message.__pydantic_extra__
    assert encode_row(restored) == encode_row(message)


@pytest.mark.parametrize("message", JSON_ONLY, ids=repr)
def test_json_alone_is_enough_for_messages_that_are_json(message: BaseMessage) -> None:
    assert encode_row(message).exact is None


@pytest.mark.parametrize("message", NOT_JSON, ids=repr)
def test_what_json_cannot_say_is_kept_beside_it(message: BaseMessage) -> None:
    assert encode_row(message).exact is not None


@pytest.mark.parametrize("message", JSON_ONLY + NOT_JSON, ids=repr)
def test_the_json_is_text_on_one_line_and_strict(message: BaseMessage) -> None:
    text = encode_message(message)
    assert text.encode().decode() == text
    assert "\n" not in text
    assert "\x00" not in text
    assert json.loads(text, parse_constant=pytest.fail)["type"] == message.type


@pytest.mark.parametrize("message", JSON_ONLY + NOT_JSON, ids=repr)
def test_every_column_can_be_stored_as_text(message: BaseMessage) -> None:
    row = encode_row(message)
    for text in (row.message_id, row.type, row.content, row.data):
        assert "\x00" not in text
        text.encode()
    assert len(row.message_id) <= 255
    assert len(row.type) <= 64


FIRST = ["content", "additional_kwargs", "response_metadata", "type", "name", "id"]


@pytest.mark.parametrize(
    ("message", "more"),
    [
        (HumanMessage("x"), ["example"]),
        (
            AIMessage("x", extra_field=1),
            ["example", "tool_calls", "invalid_tool_calls", "usage_metadata", "extra_field"],
        ),
        (ToolMessage("x", tool_call_id="1"), ["tool_call_id", "artifact", "status"]),
        (SystemMessage("x"), []),
    ],
)
def test_keys_come_in_the_order_of_the_original(message: BaseMessage, more: list[str]) -> None:
    assert list(json.loads(encode_message(message))) == FIRST + more
    assert list(json.loads(encode_message(round_trip(message)))) == FIRST + more


def test_the_json_is_what_the_original_answers() -> None:
    message = HumanMessage("hello", id="9b19231d-ff64-42a1-a31b-2fae19bea1b0")
    assert encode_message(message) == (
        '{"content":"hello","additional_kwargs":{},"response_metadata":{},"type":"human","name":null,'
        '"id":"9b19231d-ff64-42a1-a31b-2fae19bea1b0","example":false}'
    )


def test_an_artifact_that_is_no_json_is_shown_as_text() -> None:
    artifact = {"bytes": b"\xff", "nan": float("nan"), "document": Document("page"), ("a", 1): Mood.GLAD}
    shown = json.loads(encode_message(ToolMessage("x", tool_call_id="1", artifact=artifact)))["artifact"]
    assert shown["bytes"] == "/w=="
    assert shown["nan"] is None
    assert shown["document"]["page_content"] == "page"
    assert shown["('a', 1)"] == "Mood.GLAD"


def test_nan_survives() -> None:
    restored = round_trip(ToolMessage("x", tool_call_id="1", artifact=[float("nan"), float("inf")]))
    assert str(restored.artifact) == "[nan, inf]"


def test_a_tuple_comes_back_as_a_list_as_from_langgraphs_own_savers() -> None:
    assert round_trip(ToolMessage("x", tool_call_id="1", artifact=(1, (2, b"3")))).artifact == [1, [2, b"3"]]


def test_what_cannot_be_stored_is_refused_with_the_reason() -> None:
    with pytest.raises(UnstorableMessage, match="ToolMessage holds a value that cannot be stored"):
        encode_row(ToolMessage("x", tool_call_id="1", artifact=object()))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnstorableMessage, match="contains itself"):
        encode_message(ToolMessage("x", tool_call_id="1", artifact={"endless": endless}))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a\x00b", "ab"),
        ("x\ud800", "x?"),
        ([{"type": "text", "text": "one"}, "two", {"type": "image_url"}, {"type": "x", "text": None}], "one\ntwo"),
        ([], ""),
    ],
)
def test_the_text_is_what_people_can_search(content: Any, text: str) -> None:
    assert encode_row(HumanMessage(content)).content == text


def test_long_ids_that_differ_have_keys_that_differ() -> None:
    one, other = (encode_row(HumanMessage("x", id="x" * 300 + end)).message_id for end in "ab")
    assert one != other


@pytest.mark.parametrize("message", [message for message in JSON_ONLY if "Chunk" not in message.type], ids=repr)
def test_the_wire_form_can_be_sent_back(message: BaseMessage) -> None:
    assert from_wire(to_wire(message)) == message


def test_importing_the_codec_and_the_state_does_not_import_langchain() -> None:
    program = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'opengpts.settings.testing'; django.setup();"
        "import threads.message_codec, threads.state, threads.rows;"
        "print([name for name in sys.modules if name.startswith(('langchain', 'langgraph'))][:3])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
