"""What a thread says, read straight from its rows: no graph is built and no message is parsed.

LangChain and LangGraph are not imported with this module (see `threads.message_codec`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from opengpts.errors import NotFound
from threads.models import Checkpoint, Message, Thread
from threads.pending import is_waiting, last_step, open_calls
from threads.positions import Ranges, to_positions
from threads.rows import messages_at, newest_first, texts_at
from threads.statements import find_state

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
    `newest` is the type of the last message; None for a thread without messages.
    """

    next: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    newest: str | None = None

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

    Raises `NotFound` for a checkpoint that the thread does not have.
    """
    found = find_state(thread.pk, checkpoint_id)
    if found is None:
        if checkpoint_id is not None:
            raise NotFound("This thread has no such checkpoint.")
        return State()
    newest_id, next_nodes, references = found
    ranges = _conversation(references)
    return State(_texts(ranges, texts_at(thread.pk, ranges)), next_nodes, newest_id)


def read_step(*, thread: Thread) -> Step:
    """What the thread has left to do, read from its last few messages however long it is; two queries."""
    found = find_state(thread.pk, None)
    if found is None:
        return Step()
    _, next_nodes, references = found
    texts = newest_first(thread.pk, to_positions(_conversation(references)))
    newest = next(map(json.loads, texts), None)
    if newest is None:
        return Step(next_nodes)
    return Step(next_nodes, open_calls(*last_step(chain([newest], map(json.loads, texts)))), newest["type"])


def read_history(*, thread: Thread, limit: int, before: str | None = None) -> list[HistoryEntry]:
    """The thread's last `limit` states, newest first; those before the checkpoint `before`, if given. Two queries.

    Fewer, but one at least, where they come to more than `HISTORY_SIZE`: the others are before the last one.
    """
    rows = _checkpoints(thread).defer("values", "data")
    if before is not None:
        rows = rows.filter(checkpoint_id__lt=before)
    checkpoints = list(rows[:limit])
    conversations = [_conversation(row.messages) for row in checkpoints]
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


def messages_of_thread(thread: Thread) -> list[Message]:
    """The rows of the conversation as it stands, in its order; two queries."""
    references = _checkpoints(thread).values_list("messages", flat=True).first() or {}
    ranges = _conversation(references)
    if not ranges:
        return []
    rows = {row.position: row for row in messages_at(thread.pk, ranges)}
    return [rows[position] for position in to_positions(ranges) if position in rows]


def append_messages(*, thread: Thread, messages: "Sequence[BaseMessage | dict[str, Any]]") -> str:
    """Add messages to a thread's state, or replace those with a known id; returns the new checkpoint's id.

    A message may be a dict, in the form of the API.

    Nothing is left to run after it: a run with no new messages answers the last one. Only a thread that waits for a
    decision on tool calls goes on waiting where all the messages are about these: the AI message of the same id with
    other calls, or results of them. Calls that are open when something else is said get a result that says so.
    Messages without id get one; a `RemoveMessage` removes. Whoever calls sees to it that no run goes on in the thread,
    which would not see them. Raises `Invalid` for a dict that is no message and for the removal of a
    message that is not there, `UnknownThread` for a thread that was deleted meanwhile, `UnstorableMessage`.
    """
    # Imports LangGraph, which reading does not need.
    from threads.append import append_to_state

    return append_to_state(thread_id=thread.pk, channel=MESSAGES, messages=messages)


def _checkpoints(thread: Thread) -> QuerySet[Checkpoint]:
    """The checkpoints of the graph itself, not of graphs inside it, newest first."""
    return Checkpoint.objects.filter(thread=thread, checkpoint_ns="").order_by("-checkpoint_id")


def _conversation(references: dict[str, Any]) -> Ranges:
    reference = references.get(MESSAGES)
    return reference if isinstance(reference, list) else []


def _texts(ranges: Ranges, texts: dict[int, str]) -> list[str]:
    # A row that is gone was deleted since the checkpoint was read.
    return [texts[position] for position in to_positions(ranges) if position in texts]
