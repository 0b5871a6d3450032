"""What a thread's graph has asked and waits to be told, read from what its tasks wrote: no graph is built.

LangGraph is not imported with this module (see `threads.message_codec`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threads.checkpoints import checkpoints_of
from threads.message_codec import serializer
from threads.models import CheckpointWrite, Thread
from threads.pending import is_waiting

INTERRUPT = "__interrupt__"
# What tasks write that is no result: a task with any other write is done, and waits no longer.
_NO_RESULT = (INTERRUPT, "__resume__", "__error__", "__error_source_node__")

_Row = tuple[str, str, str, list[str]]  # id, parent, source, next


@dataclass(frozen=True, slots=True)
class PendingInterrupt:
    """A question of the graph's that has no answer. `value` is what it asks, as the node gave it."""

    id: str
    value: Any


def pending_interrupts(thread: Thread) -> list[PendingInterrupt]:
    """The questions that the thread's newest checkpoint waits with, as the graph itself would tell them.

    None after messages were posted to the thread's state, even where it goes on waiting: nothing was asked about what
    it says now. Three queries, or two where nothing waits.
    """
    return _asked(thread, list(checkpoints_of(thread.pk).values_list("checkpoint_id", flat=True)[:1]))


def find_interrupt(thread: Thread, interrupt_id: str) -> PendingInterrupt | None:
    """The question with this id, where the thread waits with it still; None otherwise.

    Beside those of the newest checkpoint it may be one that was asked before messages were posted to the thread's
    state, as long as these left the thread waiting, and nothing was asked since. `value` is what was asked then: the
    calls may be others now. Four queries at most.
    """
    asked = _asked(thread, _since_asked(thread))
    return next((interrupt for interrupt in asked if interrupt.id == interrupt_id), None)


def _since_asked(thread: Thread) -> list[str]:
    """The newest checkpoint and, where it is a posted state that waits, those before it back to what asked."""
    rows = checkpoints_of(thread.pk).values_list("checkpoint_id", "parent_checkpoint_id", "source", "next")
    newest = rows.first()
    if newest is None or not _is_posted(newest):
        return [newest[0]] if newest else []
    by_id = {row[0]: row for row in rows}
    line: list[str] = []
    row: _Row | None = newest
    while row:
        line.append(row[0])
        row = by_id.get(row[1]) if _is_posted(row) else None
    return line


def _is_posted(row: _Row) -> bool:
    """Whether a checkpoint was posted by hand and waits for what the one before it waits for."""
    return row[2] == "update" and is_waiting(row[3])


def _asked(thread: Thread, checkpoint_ids: Sequence[str]) -> list[PendingInterrupt]:
    """What waits at the first of these checkpoints that asked anything. They are one line, newest first."""
    if not checkpoint_ids:
        return []
    writes = CheckpointWrite.objects.filter(thread=thread, checkpoint_ns="")
    between = writes.filter(checkpoint_id__lte=checkpoint_ids[0], checkpoint_id__gte=checkpoint_ids[-1])
    asking = set(between.filter(channel=INTERRUPT).order_by().values_list("checkpoint_id", flat=True))
    checkpoint_id = next((one for one in checkpoint_ids if one in asking), None)
    if checkpoint_id is None:
        return []
    of_step = list(writes.filter(checkpoint_id=checkpoint_id).defer("messages"))
    # What was answered at an earlier checkpoint made another branch: on this one the question is open.
    here = checkpoint_id == checkpoint_ids[0]
    done = {write.task_id for write in of_step if write.channel not in _NO_RESULT} if here else set()
    return [
        PendingInterrupt(interrupt.id, interrupt.value)
        # Sorted here, for databases sort text each in a way of its own.
        for write in sorted(of_step, key=lambda write: (write.task_path, write.task_id))
        if write.channel == INTERRUPT and write.task_id not in done
        for interrupt in serializer().loads_typed((write.value_type, bytes(write.value or b"")))
    ]
