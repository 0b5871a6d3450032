"""Checkpoint rows as LangGraph wants them, several at a time and with few queries."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from django.db.models import Q, QuerySet
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint as GraphCheckpoint
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol

from agents.earlier import Earlier
from agents.reach import IsEnough
from threads.message_codec import decode_message
from threads.models import Checkpoint, CheckpointWrite
from threads.positions import Ranges, count, ranges_in, split_last, to_positions
from threads.references import join
from threads.rows import read_messages
from threads.state import MESSAGES

# Checkpoints that `pages` reads at once.
PAGE = 50
# Messages of a conversation that are read first where not all are needed, and how often as many each time that they
# were not enough.
FIRST, GROWTH = 32, 2

MessageAt = Callable[[int], BaseMessage]
# Is told of a thread's messages that were read: the object, its position, its row's `data`.
Remember = Callable[[UUID, Iterable[tuple[BaseMessage, int, str]]], None]
_WriteKey = tuple[UUID, str, str]


def matching(rows: QuerySet[Checkpoint], metadata: dict[str, Any], limit: int | None) -> Iterable[list[Checkpoint]]:
    """The newest `limit` of `rows` with this metadata, newest first, in lists of at most `PAGE`."""
    # Columns too; the comparison below has the last word.
    if isinstance(source := metadata.get("source"), str):
        rows = rows.filter(source=source)
    if isinstance(step := metadata.get("step"), int):
        rows = rows.filter(step=step)
    rows = rows.order_by("-checkpoint_id", "-pk")
    size = PAGE if limit is None or metadata else min(PAGE, limit)
    older = rows
    while limit is None or limit > 0:
        page = list(older[:size])
        found = [row for row in page if all(row.metadata.get(key) == value for key, value in metadata.items())]
        if limit is not None:
            found = found[:limit]
            limit -= len(found)
        yield found
        if len(page) < size:
            return
        last = page[-1]
        older = rows.filter(
            Q(checkpoint_id__lt=last.checkpoint_id) | Q(checkpoint_id=last.checkpoint_id, pk__lt=last.pk)
        )


def read_tuple(
    found: tuple[Checkpoint, list[CheckpointWrite]],
    *,
    serde: SerializerProtocol,
    thread_id: str | None,
    remember: Remember,
    is_enough: IsEnough | None = None,
) -> CheckpointTuple:
    """A checkpoint and its writes with their messages: one query, or with `is_enough` (see `DjangoSaver`) a few.

    `remember` is told of the messages that are all in `data`.
    """
    row, writes = found
    conversation = row.messages.get(MESSAGES)
    # What else is there to be added may replace any message of the conversation.
    is_alone = row.messages.keys() == {MESSAGES} and not any(write.messages for write in writes)
    if is_enough is None or row.checkpoint_ns or not is_alone or not isinstance(conversation, list):
        messages = _read_messages(row.thread_id, _ranges(row, writes), remember)
        return _tuple(row, writes, messages.__getitem__, serde, thread_id)
    earlier, newest = split_last(conversation, FIRST)
    row.messages[MESSAGES] = newest
    messages = _read_messages(row.thread_id, newest, remember)
    while earlier and not is_enough([messages[position] for position in to_positions(newest)]):
        earlier, more = split_last(earlier, count(newest) * (GROWTH - 1))
        messages |= _read_messages(row.thread_id, more, remember)
        row.messages[MESSAGES] = newest = [*more, *newest]
    read = _tuple(row, writes, messages.__getitem__, serde, thread_id)
    if earlier:
        read.checkpoint["channel_values"][MESSAGES].insert(0, Earlier(content="", positions=earlier))
    return read


def read_tuples(
    rows: Sequence[Checkpoint], *, serde: SerializerProtocol, thread_id: str | None
) -> list[CheckpointTuple]:
    """The rows with their writes and messages: one query for all writes, one for each thread's messages.

    The configs name the thread as `thread_id`, or by its id. The checkpoints share their message objects.
    """
    writes = _writes_of(rows)
    ranges: dict[UUID, Ranges] = {}
    for row in rows:
        ranges.setdefault(row.thread_id, []).extend(_ranges(row, writes.get(_key(row), [])))
    messages = {thread: _read_messages(thread, spans) for thread, spans in ranges.items()}
    return [
        _tuple(row, writes.get(_key(row), []), messages[row.thread_id].__getitem__, serde, thread_id) for row in rows
    ]


def config_of(row: Checkpoint, thread_id: str | None = None) -> RunnableConfig:
    """The config that names a checkpoint."""
    return _config(row, thread_id, row.checkpoint_id)


def _config(row: Checkpoint, thread_id: str | None, checkpoint_id: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread_id or str(row.thread_id),
            "checkpoint_ns": row.checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }


def _key(row: Checkpoint | CheckpointWrite) -> _WriteKey:
    return row.thread_id, row.checkpoint_ns, row.checkpoint_id


def _writes_of(rows: Sequence[Checkpoint]) -> dict[_WriteKey, list[CheckpointWrite]]:
    """The writes of each checkpoint, in no order."""
    if not rows:
        return {}
    found = CheckpointWrite.objects.filter(
        thread_id__in={row.thread_id for row in rows},
        checkpoint_ns__in={row.checkpoint_ns for row in rows},
        checkpoint_id__in={row.checkpoint_id for row in rows},
    )
    writes: dict[_WriteKey, list[CheckpointWrite]] = {}
    for write in found.order_by():
        writes.setdefault(_key(write), []).append(write)
    return writes


def _ranges(row: Checkpoint, writes: Sequence[CheckpointWrite]) -> Ranges:
    references = [*row.messages.values(), *(write.messages for write in writes)]
    return [span for reference in references for span in ranges_in(reference)]


def _read_messages(thread_id: UUID, ranges: Ranges, remember: Remember | None = None) -> dict[int, BaseMessage]:
    rows = read_messages(thread_id, ranges)
    messages = {position: decode_message(data, exact_type, exact) for position, data, exact_type, exact in rows}
    if remember:
        # One that is not all JSON may change in ways we cannot see: it is looked at anew when it is saved.
        plain = ((position, data) for position, data, exact_type, _ in rows if not exact_type)
        remember(thread_id, ((messages[position], position, data) for position, data in plain))
    return messages


def _tuple(
    row: Checkpoint,
    writes: Sequence[CheckpointWrite],
    message_at: MessageAt,
    serde: SerializerProtocol,
    thread_id: str | None,
) -> CheckpointTuple:
    values: dict[str, Any] = _loads(serde, row.values_type, row.values) or {}
    for channel, reference in row.messages.items():
        values[channel] = join(reference, values.get(channel), message_at)
    pending_writes: list[PendingWrite] = [
        (
            write.task_id,
            write.channel,
            join(write.messages, _loads(serde, write.value_type, write.value), message_at),
        )
        # Sorted here, for databases sort text each in a way of its own.
        for write in sorted(writes, key=lambda write: writes_sort_key(write.task_path, write.task_id, write.index))
    ]
    checkpoint = cast(GraphCheckpoint, {**row.data, "id": row.checkpoint_id, "channel_values": values})
    return CheckpointTuple(
        config=config_of(row, thread_id),
        checkpoint=checkpoint,
        metadata=row.metadata,
        parent_config=_config(row, thread_id, row.parent_checkpoint_id) if row.parent_checkpoint_id else None,
        pending_writes=pending_writes,
    )


def _loads(serde: SerializerProtocol, kind: str, data: bytes | memoryview | None) -> Any:
    return None if data is None else serde.loads_typed((kind, bytes(data)))
