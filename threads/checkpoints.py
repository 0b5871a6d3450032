"""The checkpoints of a thread's graph, and how a client names one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from opengpts.errors import Invalid, NotFound
from threads.models import MAX_CHECKPOINT_ID, Checkpoint


class UnknownCheckpoint(NotFound):
    """A thread was to be read, or to go on, from a checkpoint that it does not have."""

    def __init__(self) -> None:
        super().__init__("This thread has no such checkpoint.")


def checkpoints_of(thread_id: UUID) -> QuerySet[Checkpoint]:
    """The checkpoints of the graph itself, not of graphs inside it, newest first."""
    return Checkpoint.objects.filter(thread_id=thread_id, checkpoint_ns="").order_by("-checkpoint_id")


def may_name_checkpoint(text: str) -> bool:
    """Whether a checkpoint may have this id: a database can be asked for it then, which some refuse for other texts."""
    return len(text) <= MAX_CHECKPOINT_ID and text.isascii() and text.isprintable()


def checkpoint_named_in(config: Mapping[str, Any] | None, *loc: str) -> str | None:
    """The `configurable.checkpoint_id` of a config that a client sent; None where it names none.

    `loc` says where the config stands in the request. Raises `Invalid` for one that is no string. Whether the thread
    has it is not looked at.
    """
    configurable = (config or {}).get("configurable")
    checkpoint_id = configurable.get("checkpoint_id") if isinstance(configurable, Mapping) else None
    if checkpoint_id is None or isinstance(checkpoint_id, str):
        return checkpoint_id
    where = (*loc, "configurable", "checkpoint_id")
    raise Invalid.at(*where, msg="Input should be a valid string", value=checkpoint_id, type="string_type")
