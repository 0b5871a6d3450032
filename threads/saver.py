"""LangGraph's checkpoint saver over the ORM. See `threads.models` for what is kept where."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.base import Checkpoint as GraphCheckpoint

from agents.earlier import EarlierNeeded
from agents.reach import IsEnough
from opengpts.db import in_database_thread
from threads import statements, upkeep
from threads.checkpoint_reader import PAGE, matching, read_tuple, read_tuples
from threads.known_messages import KnownMessages
from threads.models import Checkpoint, CheckpointWrite
from threads.pending import next_nodes
from threads.references import Held, split
from threads.rows import UnknownThread
from threads.save_queue import SaveQueue
from threads.saving import RowToSave, Save
from threads.serializing import Serializer
from threads.transactions import Statement


class DjangoSaver(BaseCheckpointSaver[int]):
    """Saves a graph's checkpoints, its messages as rows that are written once.

    Make one for each run: it remembers every message object it has seen, and keeps it alive. A
    `thread_id` is the id of a `Thread` that exists; saving for another raises `UnknownThread`.
    Each method is one transaction, so a process may die between any two statements.
    """

    def __init__(self, *, writer: Statement | None = None, is_enough: IsEnough | None = None) -> None:
        """`writer` is a query that gives a row as long as this saver may write; after that `NotTheirs` is raised.

        With `is_enough`, `get_tuple` loads the newest messages of the conversation alone, as many as that says are
        enough, behind an `Earlier` for the others; but all of them of a checkpoint that a step was broken off after.
        What is saved holds them all, at their place: where a new message would have replaced one of them, saving the
        checkpoint raises `EarlierNeeded`.
        """
        super().__init__(serde=Serializer())
        self._is_enough = is_enough
        # Whether that was raised to a graph. A graph raises one error: that of a node at work meanwhile, say.
        self.needs_earlier = False
        self._known = KnownMessages()
        self._writer = writer
        self._queue = SaveQueue(self._known, writer)

    def thread_pk(self, thread_id: str) -> UUID:
        """The primary key of the thread that LangGraph calls `thread_id`. Raises `UnknownThread`."""
        try:
            return UUID(str(thread_id))
        except ValueError as error:
            raise UnknownThread from error

    # Writing

    def put(
        self,
        config: RunnableConfig,
        checkpoint: GraphCheckpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint with its messages; returns the config that names it.

        Raises `UnknownThread`, `UnstorableMessage`.
        """
        self._save(*self._checkpoint_row(config, checkpoint, metadata))
        return _child_config(config, checkpoint)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save what a task has written. What it wrote before stays, but errors, interrupts and resumes are replaced.

        Raises `UnknownThread`, `UnstorableMessage`.
        """
        self._save(*self._write_rows(config, writes, task_id, task_path))

    def _save(self, thread_id: UUID, rows: Sequence[RowToSave]) -> None:
        save = Save(self._known, thread_id, rows, self._writer)
        save.execute()
        save.remember()

    def _checkpoint_row(
        self, config: RunnableConfig, checkpoint: GraphCheckpoint, metadata: CheckpointMetadata
    ) -> tuple[UUID, Sequence[RowToSave]]:
        configurable = config["configurable"]
        thread_id = self.thread_pk(configurable["thread_id"])
        held: dict[str, Held] = {}
        values: dict[str, Any] = {}
        for channel, value in checkpoint["channel_values"].items():
            messages, rest = split(value)
            if messages is not None:
                held[channel] = messages
            if messages is None or rest is not None:
                values[channel] = rest
        values_type, values_bytes = self.serde.dumps_typed(values) if values else ("", None)
        metadata = get_serializable_checkpoint_metadata(config, metadata)
        row = Checkpoint(
            thread_id=thread_id,
            checkpoint_ns=configurable.get("checkpoint_ns", ""),
            checkpoint_id=checkpoint["id"],
            parent_checkpoint_id=get_checkpoint_id(config) or "",
            run_id=str(metadata.get("run_id") or ""),
            source=metadata.get("source", ""),
            step=metadata.get("step", 0),
            next=next_nodes(checkpoint),
            values_type=values_type,
            values=values_bytes,
            data={key: value for key, value in checkpoint.items() if key not in ("id", "channel_values")},
            metadata=metadata,
            created_at=_time(checkpoint.get("ts", "")),
        )
        return thread_id, [RowToSave(statements.put_checkpoint, row, held or None)]

    def _write_rows(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> tuple[UUID, Sequence[RowToSave]]:
        configurable = config["configurable"]
        thread_id = self.thread_pk(configurable["thread_id"])
        run_id = str(config.get("metadata", {}).get("run_id") or "")
        rows: list[RowToSave] = []
        for number, (channel, value) in enumerate(writes):
            held, rest = split(value)
            value_type, value_bytes = self.serde.dumps_typed(rest) if held is None or rest is not None else ("", None)
            index = WRITES_IDX_MAP.get(channel, number)
            row = CheckpointWrite(
                thread_id=thread_id,
                checkpoint_ns=configurable.get("checkpoint_ns", ""),
                checkpoint_id=configurable["checkpoint_id"],
                task_id=task_id,
                task_path=task_path,
                run_id=run_id,
                index=index,
                channel=channel,
                value_type=value_type,
                value=value_bytes,
            )
            rows.append(RowToSave(statements.add_writes if index >= 0 else statements.put_writes, row, held))
        return thread_id, rows

    # Reading

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the newest of its namespace; None where there is none."""
        configurable = config["configurable"]
        thread_id = configurable["thread_id"]
        try:
            thread_pk = self.thread_pk(thread_id)
        except UnknownThread:
            return None
        checkpoint_ns, checkpoint_id = configurable.get("checkpoint_ns", ""), get_checkpoint_id(config)
        if (found := statements.find_checkpoint(thread_pk, checkpoint_ns, checkpoint_id)) is None:
            return None
        return read_tuple(
            found, serde=self.serde, thread_id=thread_id, remember=self._known.remember_read, is_enough=self._is_enough
        )

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """The checkpoints of a thread (of all threads without `config`), newest first.

        `filter` holds metadata that they must have, `before` names the checkpoint they are older than.
        Checkpoints that are read together share their message objects.
        """
        rows = self._rows(config)
        if config and (checkpoint_ns := config["configurable"].get("checkpoint_ns")) is not None:
            rows = rows.filter(checkpoint_ns=checkpoint_ns)
        if before and (before_id := get_checkpoint_id(before)):
            rows = rows.filter(checkpoint_id__lt=before_id)
        thread_id = config["configurable"]["thread_id"] if config else None
        for page in matching(rows, filter or {}, limit):
            yield from read_tuples(page, serde=self.serde, thread_id=thread_id)

    def _rows(self, config: RunnableConfig | None) -> QuerySet[Checkpoint]:
        if config is None:
            return Checkpoint.objects.all()
        try:
            rows = Checkpoint.objects.filter(thread_id=self.thread_pk(config["configurable"]["thread_id"]))
        except UnknownThread:
            return Checkpoint.objects.none()
        checkpoint_id = get_checkpoint_id(config)
        return rows.filter(checkpoint_id=checkpoint_id) if checkpoint_id else rows

    # Upkeep

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread's whole state. The thread itself stays."""
        upkeep.delete_checkpoints(thread_id=self.thread_pk(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what these runs have saved. None of their threads may have a run going on."""
        upkeep.delete_runs(run_ids=run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread's whole state into another thread, which must exist and have none.

        Raises `UnknownThread`, and `Conflict` for a thread that has state already.
        """
        upkeep.copy_thread(source_id=self.thread_pk(source_thread_id), target_id=self.thread_pk(target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints (`delete`), or all but the newest of each namespace and what it needs (`keep_latest`).

        None of the threads may have a run going on. Raises ValueError for another strategy.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"There is no strategy {strategy!r} to prune by.")
        remove = upkeep.prune if strategy == "keep_latest" else upkeep.delete_checkpoints
        for thread_id in thread_ids:
            remove(thread_id=self.thread_pk(thread_id))

    # The same, from async code

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: GraphCheckpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        try:
            await self._queue.save(*self._checkpoint_row(config, checkpoint, metadata))
        except EarlierNeeded:
            self.needs_earlier = True
            raise
        return _child_config(config, checkpoint)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._queue.save(*self._write_rows(config, writes, task_id, task_path))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await in_database_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        found = self.list(config, filter=filter, before=before, limit=limit)
        while batch := await in_database_thread(_take, found, PAGE):
            for checkpoint in batch:
                yield checkpoint

    async def adelete_thread(self, thread_id: str) -> None:
        await in_database_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await in_database_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await in_database_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await in_database_thread(self.prune, thread_ids, strategy=strategy)


def _child_config(config: RunnableConfig, checkpoint: GraphCheckpoint) -> RunnableConfig:
    configurable = config["configurable"]
    return {
        "configurable": {
            "thread_id": configurable["thread_id"],
            "checkpoint_ns": configurable.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint["id"],
        }
    }


def _take(tuples: Iterator[CheckpointTuple], number: int) -> list[CheckpointTuple]:
    return list(islice(tuples, number))


def _time(text: str) -> datetime:
    """A checkpoint's own time, or now where it names none that we can read."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return timezone.now()
    return time if timezone.is_aware(time) else timezone.make_aware(time)
