"""Removing and copying what the saver has kept of a thread."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Model, QuerySet

from opengpts.errors import Conflict
from threads.message_codec import serializer
from threads.models import Checkpoint, CheckpointWrite, Message, Thread
from threads.positions import ranges_in, to_positions
from threads.rows import lock_thread
from threads.storage import bytes_in

# Rows that one statement inserts, or names in a list.
BATCH = 500


def delete_checkpoints(*, thread_id: UUID) -> None:
    """Delete a thread's whole state: checkpoints, writes and messages. The thread itself stays."""
    with transaction.atomic():
        # First, as this locks the thread: whoever is writing into it has finished then.
        Thread.objects.filter(pk=thread_id).update(message_bytes=0)
        Checkpoint.objects.filter(thread_id=thread_id).delete()
        CheckpointWrite.objects.filter(thread_id=thread_id).delete()
        Message.objects.filter(thread_id=thread_id).delete()


def delete_runs(*, run_ids: Iterable[str], thread_id: UUID | None = None) -> None:
    """Delete what these runs saved: checkpoints, writes, and the messages that only they held.

    In one thread, or in all in which they saved a checkpoint. Not to be called for a thread while a run goes on in it:
    the run may come back to a message it took out.
    """
    runs = [run_id for run_id in run_ids if run_id]
    saved = Checkpoint.objects.filter(run_id__in=runs)
    for pk in set(saved.values_list("thread_id", flat=True)) if thread_id is None else {thread_id}:
        with transaction.atomic():
            lock_thread(pk)
            delete_writes(thread_id=pk, run_ids=runs)
            _delete(pk, saved.filter(thread_id=pk))


def delete_writes(*, thread_id: UUID, run_ids: Iterable[str]) -> None:
    """Delete what these runs wrote and no checkpoint has yet: of a step that they began or went on with."""
    CheckpointWrite.objects.filter(thread_id=thread_id, run_id__in=list(run_ids)).delete()


def prune(*, thread_id: UUID) -> None:
    """Keep a thread's newest checkpoint of each namespace, and the ancestors without which it cannot be read.

    Not to be called while a run goes on in the thread, as for `delete_runs`.
    """
    with transaction.atomic():
        rows = Checkpoint.objects.filter(thread_id=thread_id)
        if not rows.exists():
            return
        lock_thread(thread_id)
        kept: list[int] = []
        for checkpoint_ns in rows.order_by().values_list("checkpoint_ns", flat=True).distinct():
            newest = rows.filter(checkpoint_ns=checkpoint_ns).latest("checkpoint_id")
            kept.extend(row.pk for row in _needed(newest))
        _delete(thread_id, rows.exclude(pk__in=kept))


def copy_thread(*, source_id: UUID, target_id: UUID) -> None:
    """Copy all checkpoints, writes and messages into another thread, which must exist and have none.

    Raises `UnknownThread`, and `Conflict` for a thread that has state already.
    """
    with transaction.atomic():
        for thread_id in sorted({source_id, target_id}):
            lock_thread(thread_id)
        target = Thread.objects.get(pk=target_id)
        if target.messages.exists() or target.checkpoints.exists():
            raise Conflict("The thread to copy into has messages already.")
        for model in (Message, Checkpoint, CheckpointWrite):
            _copy_rows(model, source_id, target_id)
        source = Thread.objects.get(pk=source_id)
        # Rows that the target once had must not lend their positions either.
        last_position = max(target.last_position, source.last_position)
        Thread.objects.filter(pk=target_id).update(last_position=last_position, message_bytes=source.message_bytes)


def _copy_rows(model: type[Any], source_id: UUID, target_id: UUID) -> None:
    batch: list[Model] = []
    for row in model.objects.filter(thread_id=source_id).order_by("pk").iterator(chunk_size=BATCH):
        row.pk, row.thread_id = None, target_id
        batch.append(row)
        if len(batch) == BATCH:
            model.objects.bulk_create(batch)
            batch = []
    model.objects.bulk_create(batch)


def _needed(checkpoint: Checkpoint) -> Iterator[Checkpoint]:
    """The checkpoint, and the ancestors back to where each of its `DeltaChannel`s was last stored whole.

    LangGraph counts the steps since then in the metadata, for every such channel that has any.
    """
    yield checkpoint
    missing = set(checkpoint.metadata.get("counters_since_delta_snapshot") or ()) - _stored_channels(checkpoint)
    ancestor: Checkpoint | None = checkpoint
    while missing and ancestor and ancestor.parent_checkpoint_id:
        ancestor = Checkpoint.objects.filter(
            thread_id=ancestor.thread_id,
            checkpoint_ns=ancestor.checkpoint_ns,
            checkpoint_id=ancestor.parent_checkpoint_id,
        ).first()
        if ancestor:
            yield ancestor
            missing -= _stored_channels(ancestor)


def _stored_channels(checkpoint: Checkpoint) -> set[str]:
    values = {}
    if checkpoint.values is not None:
        values = serializer().loads_typed((checkpoint.values_type, bytes(checkpoint.values)))
    return {*values, *checkpoint.messages}


def _delete(thread_id: UUID, checkpoints: QuerySet[Checkpoint]) -> None:
    """Delete checkpoints of a thread that is locked, with their writes, and the messages that nothing holds then."""
    for checkpoint_ns, checkpoint_id in list(checkpoints.values_list("checkpoint_ns", "checkpoint_id")):
        of_thread = CheckpointWrite.objects.filter(thread_id=thread_id)
        of_thread.filter(checkpoint_ns=checkpoint_ns, checkpoint_id=checkpoint_id).delete()
    checkpoints.delete()
    held = set(_held_positions(thread_id))
    messages = Message.objects.filter(thread_id=thread_id)
    dropped = [position for position in messages.values_list("position", flat=True) if position not in held]
    for start in range(0, len(dropped), BATCH):
        some = messages.filter(position__in=dropped[start : start + BATCH])
        Thread.objects.filter(pk=thread_id).update(message_bytes=F("message_bytes") - bytes_in(some))
        some.delete()


def _held_positions(thread_id: UUID) -> Iterator[int]:
    for references in Checkpoint.objects.filter(thread_id=thread_id).values_list("messages", flat=True):
        yield from to_positions(ranges_in(references))
    writes = CheckpointWrite.objects.filter(thread_id=thread_id, messages__isnull=False)
    for reference in writes.values_list("messages", flat=True):
        yield from to_positions(ranges_in(reference))
