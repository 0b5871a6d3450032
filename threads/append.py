"""Adding messages to a thread's state by hand, as its graph would, but with no graph at hand."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    RemoveMessage,
    ToolMessage,
    message_chunk_to_message,
)
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from pydantic import ValidationError

from opengpts.bodies import complaints
from opengpts.errors import Conflict, Invalid
from threads.checkpoints import UnknownCheckpoint, checkpoints_of, may_name_checkpoint
from threads.message_codec import EncodedMessage, encode_row, from_wire, message_key, serializer, to_wire
from threads.models import Checkpoint
from threads.pending import given_up, is_trigger, is_waiting, last_step, open_calls
from threads.positions import Ranges, joined, to_positions, to_ranges
from threads.rows import lock_thread, newest_first, place_messages, positions_of
from threads.transactions import Transaction

# The format of LangGraph's checkpoints since 1.0. Older ones it takes for another layout of channels.
CHECKPOINT_FORMAT = 4


def append_to_state(
    *,
    thread_id: UUID,
    channel: str,
    messages: Sequence[BaseMessage | dict[str, Any]],
    checkpoint_id: str | None,
    run_id: str,
) -> str:
    """See `threads.state.append_messages`."""
    prepared = [_prepared(number, message) for number, message in enumerate(messages)]
    clearing = max((i for i, message in enumerate(prepared) if message.id == REMOVE_ALL_MESSAGES), default=-1)
    prepared = prepared[clearing + 1 :]
    encoded = _encoded(prepared)
    with transaction.atomic(), Transaction() as together:
        # Until the end: who comes second finds our checkpoint, and adds to it.
        lock_thread(thread_id)
        parent = _parent(thread_id, checkpoint_id)
        values, references = _state(parent)
        conversation = _ranges(parent, channel, values, references) if clearing < 0 else []
        waits = False
        if parent and parent.next and conversation:
            newest = newest_first(thread_id, conversation)
            waits, prepared = _decide(_Step(parent.next, map(json.loads, newest)), prepared)
            encoded = _encoded(prepared)
        positions, inserts, _ = place_messages(together, thread_id, encoded) if encoded else ([], [], None)
        known = positions_of(thread_id, conversation, [*map(message_key, prepared)]) if conversation else {}
        together.send(inserts)
        conversation = _merged(conversation, known, prepared, iter(positions))
        if not waits:
            values, references = _without_triggers(values), _without_triggers(references)
        values.pop(channel, None)
        references.pop(channel, None)
        if conversation:
            references[channel] = conversation
        else:
            values[channel] = []
        checkpoint = _child(thread_id, parent, channel, waits=waits)
        if run_id:
            checkpoint.run_id, checkpoint.metadata["run_id"] = run_id, run_id
        checkpoint.messages = references
        checkpoint.values_type, checkpoint.values = serializer().dumps_typed(values) if values else ("", None)
        checkpoint.save(force_insert=True)
    return checkpoint.checkpoint_id


def _parent(thread_id: UUID, checkpoint_id: str | None) -> Checkpoint | None:
    """The checkpoint with this id, or the newest one without. Raises `UnknownCheckpoint`."""
    checkpoints = checkpoints_of(thread_id)
    if checkpoint_id is None:
        return checkpoints.first()
    parent = checkpoints.filter(checkpoint_id=checkpoint_id).first() if may_name_checkpoint(checkpoint_id) else None
    if parent is None:
        raise UnknownCheckpoint
    return parent


def _prepared(number: int, message: BaseMessage | dict[str, Any]) -> BaseMessage:
    """The message as it goes into a state: whole, and with an id. The one given is left alone.

    Raises `Invalid` for a dict, the one at `number`, that is no message.
    """
    if isinstance(message, dict):
        try:
            message = from_wire(message)
        except ValidationError as error:
            raise Invalid(complaints(error, "body", "values", number)) from error
    whole = message_chunk_to_message(message) if isinstance(message, BaseMessageChunk) else message
    return whole if whole.id is not None else whole.model_copy(update={"id": str(uuid.uuid4())})


def _encoded(messages: Sequence[BaseMessage]) -> list[EncodedMessage]:
    return [encode_row(message) for message in messages if not isinstance(message, RemoveMessage)]


class _Step:
    """The step that a state has not finished: the message that made the calls, and those that are open."""

    def __init__(self, next_nodes: Sequence[str], newest_first: Iterable[Mapping[str, Any]]) -> None:
        self.next = next_nodes
        self.caller, self.answered = last_step(newest_first)
        self._calls = {call["id"] for call in (self.caller or {}).get("tool_calls") or []}

    def take(self, message: BaseMessage) -> bool:
        """Whether a message changes these calls, or answers one: then that is so from here on."""
        if self.caller is None:
            return False
        if isinstance(message, AIMessage) and message.id == self.caller["id"]:
            self.caller = to_wire(message)
            self._calls = {call["id"] for call in message.tool_calls}
            return True
        if isinstance(message, ToolMessage) and message.tool_call_id in self._calls:
            self.answered.add(message.tool_call_id)
            return True
        if isinstance(message, RemoveMessage) and message.id == self.caller["id"]:
            self.caller = None
        return False


def _decide(step: _Step, messages: list[BaseMessage]) -> tuple[bool, list[BaseMessage]]:
    """Whether the thread goes on waiting for a decision on its calls, and the messages that are to be added.

    It does where all of them are about those calls. Otherwise what was to happen next does not: calls that are still
    open get a result that says so, in front of the first message about something else.
    """
    about = [step.take(message) for message in messages]
    if all(about):
        return is_waiting(step.next), messages
    place = about.index(False)
    results = [from_wire(result) for result in given_up(open_calls(step.caller, step.answered), step.next)]
    return False, [*messages[:place], *results, *messages[place:]]


def _without_triggers(channels: dict[str, Any]) -> dict[str, Any]:
    """The channels but those that make nodes run."""
    return {name: value for name, value in channels.items() if not is_trigger(name)}


def _state(parent: Checkpoint | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values and references of a checkpoint's channels."""
    if parent is None:
        return {}, {}
    values = {} if parent.values is None else serializer().loads_typed((parent.values_type, bytes(parent.values)))
    return values, dict(parent.messages)


def _ranges(parent: Checkpoint | None, channel: str, values: dict[str, Any], references: dict[str, Any]) -> Ranges:
    """The rows that the channel holds. Raises `Conflict` where it holds something else, or is a `DeltaChannel`."""
    if channel in references:
        ranges = references[channel]
    elif channel in values:
        ranges = values[channel]
    else:
        ranges = None if parent and channel in parent.data["channel_versions"] else []
    if not isinstance(ranges, list) or (ranges and channel not in references):
        raise Conflict("The messages of this thread can only be changed by its graph.")
    return ranges


def _merged(
    conversation: Ranges, known: Mapping[str, int], messages: Sequence[BaseMessage], positions: Iterator[int]
) -> Ranges:
    """The conversation as LangGraph's `add_messages` changes it; `positions` are those of the messages to add.

    `known` says where the messages are whose ids these have. Raises `Invalid` for the removal of a message that is not
    there.
    """
    replaced: dict[str, int] = {}
    added: dict[str, int] = {}
    removed: set[str] = set()
    for number, message in enumerate(messages):
        key = message_key(message)
        if isinstance(message, RemoveMessage):
            if key not in known and key not in added:
                raise Invalid.at("body", "values", number, "id", msg="No message has this id", value=message.id)
            removed.add(key)
            continue
        removed.discard(key)
        (replaced if key in known else added)[key] = next(positions)
    if replaced or removed:
        now = {known[key]: position for key, position in replaced.items()}
        gone = {known[key] for key in removed if key in known}
        stayed = (now.get(position, position) for position in to_positions(conversation) if position not in gone)
        conversation = to_ranges(stayed)
    return joined([*conversation, *([position, position] for key, position in added.items() if key not in removed)])


def _child(thread_id: UUID, parent: Checkpoint | None, channel: str, *, waits: bool) -> Checkpoint:
    """A checkpoint after `parent` in which the channel has a new version.

    No node has anything to do, unless it `waits` for what `parent` waits for.
    """
    now = datetime.now(UTC)
    data: dict[str, Any] = (
        parent.data if parent else {"v": CHECKPOINT_FORMAT, "channel_versions": {}, "versions_seen": {}}
    )
    version = max(data["channel_versions"].values(), default=0) + 1
    step = parent.step + 1 if parent else 0
    metadata: dict[str, Any] = {"source": "update", "step": step, "parents": {}}
    # LangGraph counts the steps since each `DeltaChannel` was last stored whole.
    if parent and (counters := parent.metadata.get("counters_since_delta_snapshot")):
        metadata["counters_since_delta_snapshot"] = counters
    # LangGraph looks for nodes to run among those that the channels updated last trigger.
    updated = data.get("updated_channels") or [] if waits else []
    return Checkpoint(
        thread_id=thread_id,
        checkpoint_id=str(uuid6(clock_seq=step)),
        parent_checkpoint_id=parent.checkpoint_id if parent else "",
        source="update",
        step=step,
        next=parent.next if parent and waits else [],
        data={
            **data,
            "ts": now.isoformat(),
            "channel_versions": {**data["channel_versions"], channel: version},
            "updated_channels": sorted({*updated, channel}),
        },
        metadata=metadata,
        created_at=now,
    )
