"""From a graph's stream through the event log to what an OpenGPTs client reads."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage, message_chunk_to_message
from langgraph.types import Interrupt

from runs.event_log import LogEntry
from runs.opengpts_stream import OpenGPTsProjection
from runs.translation import Translator
from threads.message_codec import to_wire

pytestmark = pytest.mark.once


def translated(*items: tuple[str, Any]) -> list[LogEntry]:
    translator = Translator("r1")
    events = [event for mode, payload in items for event in translator.translate(mode, payload)]
    return [LogEntry(number, uuid.UUID(int=0), method, data) for number, (method, data) in enumerate(events, start=1)]


def last_of(entries: Sequence[LogEntry]) -> dict[str, Any]:
    """The last message of the last `data`."""
    event = OpenGPTsProjection().project(entries)[-1].decode()
    message: dict[str, Any] = json.loads(event.split("data: ")[1])["messages"][-1]
    return message


def chunk(content: Any, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, id="run-1", **fields)


def block(kind: str, text: str, index: int) -> dict[str, Any]:
    return {"type": kind, kind: text, "index": index}


STREAMS = {
    "text": [chunk("a"), chunk("b")],
    "reasoning blocks": [
        chunk([block("reasoning", "hm", 0)]),
        chunk([block("reasoning", "m", 0)]),
        chunk([block("text", "a", 1)]),
        chunk([block("text", "b", 1)]),
    ],
    "one text block": [chunk([block("text", "a", 0)]), chunk([block("text", "b", 0)])],
    "reasoning beside": [
        chunk("", additional_kwargs={"reasoning_content": "hm"}),
        chunk("", additional_kwargs={"reasoning_content": "m"}),
        chunk("ab"),
    ],
}


@pytest.mark.parametrize("chunks", STREAMS.values(), ids=STREAMS.keys())
def test_a_message_grows_in_the_shape_that_it_will_have(chunks: list[AIMessageChunk]) -> None:
    entries = translated(*(("messages", (chunk, {})) for chunk in chunks))
    whole = chunks[0]
    for more in chunks[1:]:
        whole += more
    final = to_wire(message_chunk_to_message(whole))
    grown = last_of(entries)
    assert (grown["content"], grown["additional_kwargs"]) == (final["content"], final["additional_kwargs"])
    first = last_of(translated(("messages", (chunks[0], {}))))
    assert type(first["content"]) is type(final["content"])


def test_calls_of_one_answer_grow_side_by_side() -> None:
    def piece(index: int, args: str, **start: str) -> tuple[str, Any]:
        part = {"name": None, "id": None, **start, "args": args, "index": index, "type": "tool_call_chunk"}
        return "messages", (chunk("", tool_call_chunks=[part]), {})

    entries = translated(
        piece(0, "", name="add", id="1"), piece(0, '{"a": 1}'), piece(1, "", name="sub", id="2"), piece(1, '{"b": 2}')
    )
    calls = [(call["id"], call["name"], call["args"]) for call in last_of(entries)["tool_calls"]]
    assert calls == [("1", "add", {"a": 1}), ("2", "sub", {"b": 2})]


def test_what_is_asked_of_people() -> None:
    payload: dict[str, Any] = {"action_requests": [], "review_configs": []}
    [entry] = translated(("updates", {"__interrupt__": (Interrupt(payload, id="i1"),)}))
    assert (entry.method, entry.data) == (
        "input.requested",
        {"interrupt_id": "i1", "payload": payload, "value": payload},
    )


def test_updates_in_a_list_are_one() -> None:
    results = [ToolMessage("1", tool_call_id="a", id="a"), ToolMessage("2", tool_call_id="b", id="b")]
    [entry] = translated(("updates", {"tools": [{"messages": [results[0]]}, None, {"messages": results[1]}]}))
    assert [message["content"] for message in entry.data["values"]["messages"]] == ["1", "2"]
    assert translated(("updates", {"notice": None})) == []
    assert translated(("updates", {"model": {"messages": [AIMessage("x", id="x")]}}))[0].data["node"] == "model"


def test_arguments_that_json_has_no_form_for() -> None:
    """Models say NaN, and clients cannot read it."""
    event = Translator("r").tool_started("c", "add", {"a": float("nan"), "b": [float("inf"), 1]})
    assert event[1]["input"] == {"a": None, "b": [None, 1]}
