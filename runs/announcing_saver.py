"""A saver that says what it has saved."""

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, CheckpointMetadata, get_checkpoint_id
from langgraph.checkpoint.base import Checkpoint as GraphCheckpoint

from agents.reach import IsEnough
from runs.event_log import Event
from threads.saver import DjangoSaver
from threads.transactions import Statement

SOURCES = ("input", "loop", "update", "fork")


class AnnouncingSaver(DjangoSaver):
    """Tells of each checkpoint of the graph itself, when it is in the database."""

    def __init__(self, *, writer: Statement, announce: Callable[[Event], None], is_enough: IsEnough | None) -> None:
        super().__init__(writer=writer, is_enough=is_enough)
        self._announce = announce

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: GraphCheckpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saved = await super().aput(config, checkpoint, metadata, new_versions)
        if not config["configurable"].get("checkpoint_ns"):
            for event in saved_events(
                checkpoint["id"], get_checkpoint_id(config), metadata.get("step", 0), metadata.get("source", "loop")
            ):
                self._announce(event)
        return saved


def saved_events(checkpoint_id: str | None, parent_id: str | None, step: int, source: str) -> list[Event]:
    """The events for a new checkpoint: what it is, and that the thread's values are others now.

    The log holds no values, which grow with the thread: whoever sends the second to a client puts them in.
    """
    parent = {"parent_id": parent_id} if parent_id else {}
    envelope: dict[str, Any] = {"id": checkpoint_id, **parent, "step": step, "source": source}
    checkpoints: list[Event] = [("checkpoints", envelope)] if checkpoint_id else []
    return [*checkpoints, ("values", {"checkpoint_id": checkpoint_id})]
