"""Whatever a model streams, the events are those that the protocol allows, and come to the same message."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ToolMessage
from langchain_protocol import protocol
from langgraph.types import Interrupt
from pydantic import TypeAdapter

from opengpts.errors import OpenGPTsError
from runs.announcing_saver import saved_events
from runs.event_log import LogEntry
from runs.log_writer import _merge
from runs.translation import Translator
from tests.unit.runs.streams import Item, Reader, conversations, translate

pytestmark = pytest.mark.once

TYPES: dict[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(protocol.MessagesData),
    "tools": TypeAdapter(protocol.ToolsData),
    "updates": TypeAdapter(protocol.UpdatesData),
    "custom": TypeAdapter(protocol.CustomData),
    "lifecycle": TypeAdapter(protocol.LifecycleData),
    "input.requested": TypeAdapter(protocol.InputRequestedData),
}
BROKEN = OpenGPTsError("It broke.", code="model_failed")


def final(items: list[Item]) -> dict[str, AIMessage]:
    """The messages that the nodes gave in the end."""
    updates = [payload["model"]["messages"][0] for mode, payload in items if mode == "updates"]
    return {message.id: message for message in updates}


@settings(deadline=None, max_examples=80)
@given(conversations())
def test_streams_are_well_formed_and_come_to_the_whole(items: list[Item]) -> None:
    reader = Reader()
    for method, data in translate(Translator("r1"), items):
        reader.read(method, data)
        TYPES[method].validate_python(data)
        json.dumps(data)
    expected = final(items)
    assert reader.said.keys() == expected.keys()
    for message_id, said in reader.said.items():
        message = expected[message_id]
        assert said.closed == "message-finish"
        texts = [block["text"] for block in said.finished.values() if block["type"] == "text"]
        assert "".join(texts) == message.text
        hints = [block["reasoning"] for block in said.finished.values() if block["type"] == "reasoning"]
        assert "".join(hints) == message.additional_kwargs.get("reasoning_content", "")
        calls = [
            (block["id"], block["name"], block["args"])
            for block in said.finished.values()
            if block["type"] == "tool_call"
        ]
        assert calls == [(call["id"], call["name"], call["args"]) for call in message.tool_calls]
        for index, block in said.finished.items():
            if block["type"] in ("text", "reasoning"):
                assert block[block["type"]] == said.blocks[index]["pieces"]


@settings(deadline=None, max_examples=80)
@given(conversations(), st.data(), st.sampled_from([BROKEN, None]))
def test_what_breaks_off_anywhere_is_closed(
    items: list[Item], data: st.DataObject, error: OpenGPTsError | None
) -> None:
    cut = data.draw(st.integers(0, len(items)))
    translator, reader = Translator("r1"), Reader()
    for event in translate(translator, items[:cut]):
        reader.read(*event)
    partial = translator.partial("cancelled") if error else None
    open_one = reader.current
    closing = list(translator.end(error, AIMessage(**partial) if partial else None))
    for method, event_data in closing:
        reader.read(method, event_data)
        TYPES[method].validate_python(event_data)
    assert reader.current is None
    if open_one:
        said = reader.said[open_one]
        assert said.closed == ("error" if error else "message-finish")
        spoken = "".join(b["pieces"] for b in said.blocks.values() if b["type"] == "text")
        if partial:
            assert partial["content"] == spoken
            assert partial["additional_kwargs"]["incomplete"] == "cancelled"
            assert [m["id"] for m in closing[-1][1]["values"]["messages"]] == [open_one]
    # It is over: nothing is left to close.
    assert list(translator.end(error, None)) == []
    assert translator.restate()[1] == []
    translator.forget_ended()
    assert translator.restate() == ([], [])


@settings(deadline=None, max_examples=80)
@given(conversations(), st.data())
def test_whoever_comes_in_the_middle_is_told_as_much(items: list[Item], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(items)))
    translator, there, late = Translator("r1"), Reader(), Reader()
    for event in translate(translator, items[:cut]):
        there.read(*event)
    ended, growing = translator.restate()
    for event in [*ended, *growing]:
        late.read(*event)
    for event in translate(translator, items[cut:]):
        there.read(*event)
        late.read(*event)
    for message_id, said in late.said.items():
        assert said.blocks == there.said[message_id].blocks
        assert said.finished == there.said[message_id].finished


@settings(deadline=None, max_examples=80)
@given(conversations())
def test_deltas_that_are_merged_say_the_same(items: list[Item]) -> None:
    apart, together = Reader(), Reader()
    merged: list[tuple[str, dict[str, Any]]] = []
    for event in translate(Translator("r1"), items):
        apart.read(*event)
        if not (merged and _merge(merged[-1], (event[0], dict(event[1])))):
            merged.append((event[0], dict(event[1])))
    for event in merged:
        together.read(*event)
    assert together.said == apart.said


def test_tools_and_questions() -> None:
    translator = Translator("r1")
    events = [translator.tool_started("c1", "add", {"a": 1}), translator.tool_started("c2", "sub", {})]
    results = [ToolMessage("3", tool_call_id="c1", id="t1"), ToolMessage("no", tool_call_id="x", id="t2")]
    items: list[Item] = [
        ("updates", {"tools": {"messages": results}}),
        ("updates", {"__interrupt__": (Interrupt({"action_requests": []}, id="i1"),)}),
        ("custom", {"progress": 1}),
    ]
    events += [*translate(translator, items), *translator.end(None, None)]
    for method, data in events:
        TYPES[method].validate_python(data)
    said = [(data["event"], data["tool_call_id"]) for method, data in events if method == "tools"]
    assert said == [("tool-started", "c1"), ("tool-started", "c2"), ("tool-finished", "c1"), ("tool-error", "c2")]
    assert ("custom", {"payload": {"progress": 1}}) in events


def test_the_envelope() -> None:
    checkpoint = saved_events("1f1e-6", "1f1e-5", 3, "loop")[0]
    for number, (method, data) in enumerate([("lifecycle", {"event": "running", "run_id": "r"}), checkpoint], start=1):
        event = json.loads(LogEntry(number, "r", method, data).wire)  # type: ignore[arg-type]
        TypeAdapter(protocol.Event).validate_python(event)
        # Of a lifecycle event the id also says which run it is about.
        assert (event["seq"], event["event_id"].rpartition(":")[2]) == (number, str(number))
