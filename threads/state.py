"""What a thread says, read straight from its rows: no graph is built and no message is parsed.

LangChain and LangGraph are not imported with this module (see `threads.message_codec`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from threads.checkpoints import UnknownCheckpoint, checkpoints_of, may_name_checkpoint
from threads.message_codec import message_key
from threads.models import Message, Thread
from threads.pending import is_waiting, last_step, open_calls
from threads.positions import Ranges, split_last, to_positions, to_ranges
from threads.rows import messages_at, newest_first, texts_at
from threads.statements import find_state, has_message_id

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# Characters of messages that one reading of a history gives back about. Each state holds its whole conversation, so
# a hundred states of a long thread are more than a server has memory for.
HISTORY_SIZE = 16 * 1024 * 1024

# The channel that holds the conversation, in every graph of ours.
MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class State:
    """Where a thread stands. `messages` are JSON texts, as the API shows them; `next` are the nodes to run."""

    messages: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    checkpoint_id: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where a thread stands, as far as its newest messages tell.

    `next` are the nodes to run, `calls` the tool calls of the newest answer that have no result, whatever the reason.
    `newest` is the type of the last message; None for a thread without messages. `incomplete` says that it is an
    answer that was broken off: one whose `additional_kwargs` say why, under `incomplete`.
    """

    next: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    newest: str | None = None
    incomplete: bool = False

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The tool calls that wait for a person to decide on them, in order; none where the thread does not wait."""
        return self.calls if is_waiting(self.next) else []


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Where a thread stood after one step. `messages` are JSON texts, as the API shows them."""

    messages: list[str]
    next: list[str]
    checkpoint_id: str
    parent_checkpoint_id: str | None
    created_at: datetime
    metadata: dict[str, Any]


def read_state(*, thread: Thread, checkpoint_id: str | None = None) -> State:
    """The thread's state, or what it was at a checkpoint; two queries.

    Raises `UnknownCheckpoint`.
    """
    found = _find(thread, checkpoint_id)
    if found is None:
        return State()
    newest_id, next_nodes, references = found
    ranges = conversation_of(references)
    return State(_texts(ranges, texts_at(thread.pk, ranges)), next_nodes, newest_id)


def has_checkpoint(*, thread: Thread, checkpoint_id: str) -> bool:
    """Whether the thread's graph has saved a checkpoint with this id, which may be any text; one query."""
    return may_name_checkpoint(checkpoint_id) and checkpoints_of(thread.pk).filter(checkpoint_id=checkpoint_id).exists()


def has_named(*, thread: Thread, messages: "Sequence[BaseMessage]") -> bool:
    """Whether the thread has had a message with the id of one of these; one query, none where they have no ids."""
    keys = [key for message in messages if (key := message_key(message))]
    return bool(keys) and has_message_id(thread.pk, keys)


def read_step(*, thread: Thread, checkpoint_id: str | None = None) -> Step:
    """What the thread has left to do, or had at a checkpoint, read from the last few messages however many there are.

    Two queries. Raises `UnknownCheckpoint`.
    """
    found = _find(thread, checkpoint_id)
    if found is None:
        return Step()
    _, next_nodes, references = found
    texts = newest_first(thread.pk, conversation_of(references))
    newest = next(map(json.loads, texts), None)
    if newest is None:
        return Step(next_nodes)
    calls = open_calls(*last_step(chain([newest], map(json.loads, texts))))
    incomplete = newest["type"] == "ai" and bool(newest["additional_kwargs"].get("incomplete"))
    return Step(next_nodes, calls, newest["type"], incomplete)


def read_history(*, thread: Thread, limit: int, before: str | None = None) -> list[HistoryEntry]:
    """The thread's last `limit` states, newest first; those before the checkpoint `before`, if given. Two queries.

    Fewer, but one at least, where they come to more than `HISTORY_SIZE`: the others are before the last one.
    """
    rows = checkpoints_of(thread.pk).defer("values", "data")
    if before is not None:
        rows = rows.filter(checkpoint_id__lt=before)
    checkpoints = list(rows[:limit])
    conversations = [conversation_of(row.messages) for row in checkpoints]
    texts = texts_at(thread.pk, [span for ranges in conversations for span in ranges])
    entries: list[HistoryEntry] = []
    size = 0
    for row, ranges in zip(checkpoints, conversations, strict=True):
        messages = _texts(ranges, texts)
        size += sum(map(len, messages))
        if entries and size > HISTORY_SIZE:
            break
        entries.append(
            HistoryEntry(
                messages=messages,
                next=row.next,
                checkpoint_id=row.checkpoint_id,
                parent_checkpoint_id=row.parent_checkpoint_id or None,
                created_at=row.created_at,
                metadata=row.metadata,
            )
        )
    return entries


def messages_of_thread(thread: Thread, *, newest: int | None = None) -> list[Message]:
    """The rows of the conversation as it stands, in its order, or of its `newest` messages; two queries."""
    references = checkpoints_of(thread.pk).values_list("messages", flat=True).first() or {}
    ranges = conversation_of(references)
    if newest is not None:
        _, ranges = split_last(ranges, newest)
    if not ranges:
        return []
    rows = {row.position: row for row in messages_at(thread.pk, ranges)}
    return [rows[position] for position in to_positions(ranges) if position in rows]


def messages_of_run(*, thread: Thread, run_id: str) -> list[str]:
    """What a run has added to the conversation or replaced there, in its order: JSON texts, as the API shows them.

    That is what the run's newest state holds and the one before its first does not; nothing for a run that has saved
    none. Three queries.
    """
    saved = checkpoints_of(thread.pk).filter(run_id=run_id).values_list("parent_checkpoint_id", "messages")
    states = list(saved)
    if not states:
        return []
    before = checkpoints_of(thread.pk).filter(checkpoint_id=states[-1][0]).values_list("messages", flat=True).first()
    known = set(to_positions(conversation_of(before or {})))
    positions = to_positions(conversation_of(states[0][1]))
    ranges = to_ranges(position for position in positions if position not in known)
    return _texts(ranges, texts_at(thread.pk, ranges))


def append_messages(
    *,
    thread: Thread,
    messages: "Sequence[BaseMessage | dict[str, Any]]",
    checkpoint_id: str | None = None,
    run_id: str = "",
) -> str:
    """Add messages to a thread's state, or replace those with a known id; returns the new checkpoint's id.

    A message may be a dict, in the form of the API. With `checkpoint_id` they are added to the state that the thread
    had then: a new branch begins there, and is where the thread stands from now on. `run_id` names the run, if any,
    that says them.

    Nothing is left to run after it: a run with no new messages answers the last one. Only a thread that waits for a
    decision on tool calls goes on waiting where all the messages are about these: the AI message of the same id with
    other calls, or results of them. Calls that are open when something else is said get a result that says so.
    Messages without id get one; a `RemoveMessage` removes. Whoever calls sees to it that no run goes on in the thread,
    which would not see them. Raises `Invalid` for a dict that is no message and for the removal of a
    message that is not there, `UnknownCheckpoint`, `UnknownThread` for a thread that was deleted meanwhile,
    `UnstorableMessage`. Nothing has changed then.
    """
    # Imports LangGraph, which reading does not need.
    from threads.append import append_to_state

    return append_to_state(
        thread_id=thread.pk, channel=MESSAGES, messages=messages, checkpoint_id=checkpoint_id, run_id=run_id
    )


def conversation_of(references: dict[str, Any]) -> Ranges:
    """Where the messages of a conversation are, by what a checkpoint says of its channels."""
    reference = references.get(MESSAGES)
    return reference if isinstance(reference, list) else []


def _find(thread: Thread, checkpoint_id: str | None) -> tuple[str, Any, Any] | None:
    """As `find_state`; None for a thread without state only. Raises `UnknownCheckpoint`."""
    if checkpoint_id is None:
        return find_state(thread.pk, None)
    if not may_name_checkpoint(checkpoint_id) or (found := find_state(thread.pk, checkpoint_id)) is None:
        raise UnknownCheckpoint
    return found


def _texts(ranges: Ranges, texts: dict[int, str]) -> list[str]:
    # A row that is gone was deleted since the checkpoint was read.
    return [texts[position] for position in to_positions(ranges) if position in texts]
