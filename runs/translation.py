"""From LangGraph's stream to the protocol's events.

Text and tool calls travel as deltas, so what is sent grows with the text and not with its square. A message
that is finished travels once more, whole, in the `updates` event of the node that added it.
"""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, RemoveMessage, ToolMessage
from langgraph.types import StreamMode

from opengpts.errors import OpenGPTsError
from runs.event_log import INPUT_NODE, Event
from runs.growing_message import GrowingMessage
from threads.message_codec import to_wire

# The key that LangGraph reports interrupts under, among its nodes' updates.
INTERRUPT = "__interrupt__"
# What `graph.astream` is asked for.
STREAM_MODES: list[StreamMode] = ["messages", "updates", "custom"]


class Translator:
    """Translates one run's stream. Knows which message is being written, and which tools are at work."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._growing: GrowingMessage | None = None
        # The messages that have ended, with their last events.
        self._ended: list[tuple[GrowingMessage, Event]] = []
        self._calls: set[str] = set()

    def input(self, messages: list[BaseMessage]) -> Event:
        """The event that says what the run was asked: its input, as an update by the graph's start."""
        return _update(INPUT_NODE, messages)

    def translate(self, mode: str, payload: Any) -> Iterator[Event]:
        """The events for one item of `graph.astream(stream_mode=STREAM_MODES)`."""
        if mode == "messages":
            chunk, metadata = payload
            # A message that a node returned whole comes here too; its node's update tells it better.
            if isinstance(chunk, AIMessageChunk):
                yield from self._grow(chunk, metadata)
        elif mode == "custom":
            yield "custom", _custom(payload)
        else:
            for node, values in payload.items():
                if node == INTERRUPT:
                    for interrupt in values:
                        # The protocol's name for it, and the one that LangGraph's Python client reads.
                        question = _as_json(interrupt.value)
                        asked = {"payload": question, "value": question}
                        yield "input.requested", {"interrupt_id": interrupt.id, **asked}
                else:
                    yield from self._add(node, [m for update in _updates(values) for m in _messages(update)])

    def tool_started(self, call_id: str, name: str, arguments: Any) -> Event:
        """The event for a tool that begins to work."""
        self._calls.add(call_id)
        given = _as_json(arguments)
        return "tools", {"event": "tool-started", "tool_call_id": call_id, "tool_name": name, "input": given}

    def end(self, error: OpenGPTsError | None, kept: BaseMessage | None) -> Iterator[Event]:
        """The events that close what is still open: the run is over, or broken off by `error`.

        `kept` is what `partial` gave, if that goes into the thread.
        """
        for call_id in sorted(self._calls):
            message = error.message if error else "The run ended before this tool did."
            yield "tools", {"event": "tool-error", "tool_call_id": call_id, "message": message}
        self._calls.clear()
        if self._growing is not None:
            node = self._growing.node or "model"
            yield from self._close(self._growing.fail(error) if error else self._growing.finish())
            if kept is not None:
                yield _update(node, [kept])

    def partial(self, reason: str) -> dict[str, Any] | None:
        """The message that was being written, as far as it got, in the API's form; None where there is nothing to keep.

        It is marked: `additional_kwargs.incomplete` is the `reason`. Tool calls that are not whole are not in it.
        """
        return self._growing.partial(reason) if self._growing else None

    def restate(self) -> tuple[list[Event], list[Event]]:
        """The events that tell somebody who has missed everything what was written, and what is being written.

        Of what was written, that which ended after `forget_ended` was called last.
        """
        ended = [event for message, last in self._ended for event in [*message.restate(), last]]
        return ended, list(self._growing.restate()) if self._growing else []

    def forget_ended(self) -> None:
        """Keep the messages that have ended no longer: nobody can have missed them."""
        self._ended.clear()

    def _grow(self, chunk: AIMessageChunk, metadata: dict[str, Any]) -> Iterator[Event]:
        if chunk.id is not None and (self._growing is None or chunk.id != self._growing.id):
            if self._growing is not None:
                yield from self._close(self._growing.finish())
            self._growing = GrowingMessage(chunk.id, run_id=self._run_id, node=metadata.get("langgraph_node"))
            yield from self._growing.start()
        if self._growing is not None:
            yield from self._growing.add(chunk)

    def _close(self, last: Iterator[Event]) -> Iterator[Event]:
        """The events that end what is being written."""
        assert self._growing is not None
        *events, closing = last
        self._ended.append((self._growing, closing))
        self._growing = None
        yield from [*events, closing]

    def _add(self, node: str, every: list[BaseMessage]) -> Iterator[Event]:
        if not every:
            return
        added = [message for message in every if not isinstance(message, RemoveMessage)]
        if self._growing is not None and self._growing.id in {message.id for message in added}:
            yield from self._close(self._growing.finish())
        yield _update(node, added)
        for message in added:
            if isinstance(message, ToolMessage) and message.tool_call_id in self._calls:
                self._calls.remove(message.tool_call_id)
                yield "tools", _tool_ended(message)


def _custom(payload: Any) -> dict[str, Any]:
    """What a tool tells those who watch: as it names it, `{"name": …, "payload": …}`, or under no name."""
    told = _as_json(payload)
    named = isinstance(told, dict) and told.keys() == {"name", "payload"} and isinstance(told["name"], str)
    return told if named else {"payload": told}


def _as_json(value: Any) -> Any:
    """Anything as JSON has it: what that has no form for as text, and numbers that are none as null."""
    return json.loads(json.dumps(value, default=str, skipkeys=True), parse_constant=lambda _: None)


def _tool_ended(message: ToolMessage) -> dict[str, Any]:
    if message.status == "error":
        return {"event": "tool-error", "tool_call_id": message.tool_call_id, "message": message.text}
    return {"event": "tool-finished", "tool_call_id": message.tool_call_id, "output": to_wire(message)["content"]}


def _update(node: str, messages: list[BaseMessage]) -> Event:
    return "updates", {"node": node, "values": {"messages": [to_wire(message) for message in messages]}}


def _updates(values: Any) -> list[dict[str, Any]]:
    """What a node has written: one update, or several in a list."""
    return [item for item in (values if isinstance(values, list) else [values]) if isinstance(item, dict)]


def _messages(update: dict[str, Any]) -> list[BaseMessage]:
    messages = update.get("messages") or []
    return messages if isinstance(messages, list) else [messages]
