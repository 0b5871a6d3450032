import json
import uuid
from typing import Any

import pytest

from runs.event_log import LogEntry
from runs.opengpts_stream import OpenGPTsProjection

pytestmark = pytest.mark.once

RUN = uuid.uuid4()
HUMAN = {"type": "human", "content": "hi", "id": "h1"}
ANSWER = {"type": "ai", "content": "tok0 tok1 ", "id": "a1"}


def entry(method: str, **data: Any) -> LogEntry:
    return LogEntry(0, RUN, method, data)


def update(node: str, *messages: dict[str, Any]) -> LogEntry:
    return entry("updates", node=node, values={"messages": list(messages)})


def delta(text: str, index: int = 0) -> LogEntry:
    return entry("messages", event="content-block-delta", index=index, delta={"type": "text-delta", "text": text})


START = [
    entry("lifecycle", event="running"),
    update("__start__", HUMAN),
    entry("messages", event="message-start", role="ai", id="a1"),
    entry("messages", event="content-block-start", index=0, content={"type": "text", "text": ""}),
]


def decode(events: list[bytes]) -> list[tuple[str, Any]]:
    decoded = []
    for event in events:
        assert event.endswith(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\r\n"))
        assert fields["id"].isdigit()
        decoded.append((fields["event"], json.loads(fields["data"]) if "data" in fields else None))
    return decoded


def contents(event: tuple[str, Any]) -> list[Any]:
    assert event[0] == "data"
    return [message["content"] for message in event[1]["messages"]]


def test_the_first_data_comes_with_the_first_text() -> None:
    projection = OpenGPTsProjection()
    assert projection.project(START) == []
    assert contents(decode(projection.project([delta("tok0 ")]))[0]) == ["hi", "tok0 "]


def test_the_last_message_grows_and_is_replaced_by_the_finished_one() -> None:
    projection = OpenGPTsProjection()
    projection.project(START)
    seen = [
        decode(projection.project([item]))[0] for item in (delta("tok0 "), delta("tok1 "), update("chatbot", ANSWER))
    ]
    assert [contents(event) for event in seen] == [["hi", "tok0 "], ["hi", "tok0 tok1 "], ["hi", "tok0 tok1 "]]
    assert {event[1]["messages"][-1]["id"] for event in seen} == {"a1"}


def test_what_has_piled_up_is_sent_once() -> None:
    projection = OpenGPTsProjection()
    (event,) = decode(projection.project([*START, *(delta(f"t{n}") for n in range(50))]))
    assert contents(event)[-1] == "".join(f"t{n}" for n in range(50))


def test_a_tool_call_is_shown_before_any_text() -> None:
    projection = OpenGPTsProjection()
    call = {"type": "tool_call_chunk", "id": "c1", "name": "search", "args": ""}
    args = entry(
        "messages", event="content-block-delta", index=1, delta={"type": "tool-call-delta", "args": '{"q": "bir'}
    )
    events = projection.project([*START, entry("messages", event="content-block-start", index=1, content=call), args])
    message = decode(events)[0][1]["messages"][-1]
    assert message["tool_calls"] == [{"name": "search", "args": {"q": "bir"}, "id": "c1", "type": "tool_call"}]


def test_after_a_gap_nothing_comes_until_it_is_whole() -> None:
    projection = OpenGPTsProjection()
    projection.project([*START, delta("tok0 ")])
    projection.skip([])
    assert projection.project([delta("tok7 ")]) == []
    assert contents(decode(projection.project([update("chatbot", ANSWER)]))[0]) == ["hi", "tok0 tok1 "]


def test_half_a_character_does_not_break_the_stream() -> None:
    projection = OpenGPTsProjection()
    assert contents(decode(projection.project([*START, delta("\ud800")]))[0])[-1] == "?"


def test_how_a_run_ends() -> None:
    projection = OpenGPTsProjection()
    projection.project(START)
    failed = entry("lifecycle", event="failed", error="No.", code="model_failed")
    names = decode(projection.project([delta("x"), failed]))
    assert [name for name, _ in names] == ["data", "error", "end"]
    assert names[1][1] == {"status_code": 502, "message": "No.", "code": "model_failed"}
    assert projection.ended


def test_artifacts_are_not_streamed() -> None:
    found = {"type": "tool", "content": "4", "id": "t1", "tool_call_id": "c1", "artifact": ["large"]}
    [(_, data)] = decode(OpenGPTsProjection().project([update("tools", found)]))
    assert data == {"messages": [{**found, "artifact": None}]}


def test_a_later_attempt_repeats_its_input_and_hides_nothing() -> None:
    """The process died when all was said: the next one says again what was asked, and that the run is over."""
    projection = OpenGPTsProjection()
    again = [entry("lifecycle", event="running"), update("__start__", HUMAN), entry("lifecycle", event="completed")]
    events = decode(projection.project([*START, update("model", ANSWER), *again]))
    assert [name for name, _ in events] == ["data", "end"]
    assert contents(events[0]) == ["hi", "tok0 tok1 "]
