"""Threads, their messages, and the checkpoints that say which messages a state holds."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from assistants.models import Assistant
from opengpts.fields import JSONTextField

if TYPE_CHECKING:
    from accounts.models import User


MAX_CHECKPOINT_ID = 64


class ThreadQuerySet(models.QuerySet["Thread"]):
    def owned_by(self, user: "User") -> "ThreadQuerySet":
        """The threads that `user` started: the only ones they may see or change."""
        return self.filter(owner=user)

    def of_others(self, user: "User") -> "ThreadQuerySet":
        """The threads of everybody else, whose ids are not `user`'s to take. Nothing else may be said of them."""
        return self.exclude(owner=user)


class Thread(models.Model):
    """One conversation of one user with an assistant. It outlives the assistant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="threads")
    assistant = models.ForeignKey(Assistant, models.SET_NULL, null=True, related_name="threads")
    name = models.CharField(max_length=255, blank=True)
    metadata = JSONTextField(null=True)
    # The position of the thread's newest message row ever. Never goes back, so no position is used twice.
    last_position = models.PositiveIntegerField(default=0, editable=False)
    # What its message rows take: see `threads.storage`.
    message_bytes = models.BigIntegerField(default=0, editable=False)
    # The highest number that an event of the thread may have. While a run goes on it is far above the last one given,
    # so that a log which was lost can begin again without giving a number twice.
    event_seq = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        indexes = [models.Index(fields=["owner", "-updated_at", "-id"], name="thread_owner_newest")]

    def __str__(self) -> str:
        return self.name or str(self.id)


class Message(models.Model):
    """One message, written once and never changed: an edit is a new row that later checkpoints refer to.

    `position` numbers a thread's rows in the order they were written; there may be gaps. `data` is the JSON
    that the API shows. `content` is its text, for people who search; it is no source for anything else.
    """

    # No index of its own: the unique constraint begins with it.
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="messages", db_index=False)
    position = models.PositiveIntegerField()
    message_id = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=64)
    content = models.TextField(blank=True)
    data = models.TextField()
    # Set where `data` alone would not give back the same message (an artifact that is not JSON, say).
    exact_type = models.CharField(max_length=32, blank=True)
    exact = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["thread", "position"]
        constraints = [models.UniqueConstraint(fields=["thread", "position"], name="message_position_unique")]
        indexes = [models.Index(fields=["thread", "message_id"], name="message_thread_message_id")]

    def __str__(self) -> str:
        return f"{self.type} {self.position}"


class Image(models.Model):
    """An image that a tool made in a thread: its row says whose the file is, which the storage does not.

    Whatever deletes the thread, this row stays and points to none: the file is still to be deleted then, and the row
    after it (`threads.images.delete_images_of_none`).
    """

    thread = models.ForeignKey(Thread, models.SET_NULL, null=True, related_name="images")
    name = models.CharField("file", max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class Checkpoint(models.Model):
    """One state of a thread's graph, as LangGraph saves it after each step.

    `messages` says which message rows each channel holds, by position (`threads.references` has the
    grammar): a conversation that only grows costs a few bytes a checkpoint, however long it is.
    `values` holds what else the channels hold, serialized.
    """

    # No index of its own: the unique constraint begins with it.
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="checkpoints", db_index=False)
    checkpoint_ns = models.TextField(blank=True)
    checkpoint_id = models.CharField(max_length=MAX_CHECKPOINT_ID)
    parent_checkpoint_id = models.CharField(max_length=MAX_CHECKPOINT_ID, blank=True)
    run_id = models.CharField(max_length=255, blank=True)
    source = models.CharField(max_length=32, blank=True)
    step = models.IntegerField(default=0)
    # The nodes that would run next, so that reading a state needs no graph.
    next = JSONTextField(default=list)
    messages = JSONTextField(default=dict)
    values_type = models.CharField(max_length=32, blank=True)
    values = models.BinaryField(null=True)
    # The rest of LangGraph's checkpoint: its format, time and versions.
    data = JSONTextField(default=dict)
    metadata = JSONTextField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["thread", "checkpoint_ns", "-checkpoint_id"]
        constraints = [
            models.UniqueConstraint(fields=["thread", "checkpoint_ns", "checkpoint_id"], name="checkpoint_id_unique")
        ]
        indexes = [models.Index(fields=["run_id"], name="checkpoint_run")]

    def __str__(self) -> str:
        return self.checkpoint_id


class CheckpointWrite(models.Model):
    """What one task of the step after a checkpoint has produced, until the step as a whole is saved.

    It names its checkpoint instead of pointing at the row: LangGraph saves both in the background, and a
    task's writes may arrive first.
    """

    thread = models.ForeignKey(Thread, models.CASCADE, related_name="checkpoint_writes", db_index=False)
    checkpoint_ns = models.TextField(blank=True)
    checkpoint_id = models.CharField(max_length=MAX_CHECKPOINT_ID)
    task_id = models.CharField(max_length=64)
    task_path = models.TextField(blank=True)
    # Which may be another run than the one that saved the checkpoint: one that goes on from there.
    run_id = models.CharField(max_length=255, blank=True)
    index = models.IntegerField()
    channel = models.TextField()
    # Which message rows the value holds, where it holds any; `value` has the rest.
    messages = JSONTextField(null=True)
    value_type = models.CharField(max_length=32, blank=True)
    value = models.BinaryField(null=True)

    class Meta:
        ordering = ["thread", "checkpoint_ns", "checkpoint_id", "task_path", "task_id", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "checkpoint_ns", "checkpoint_id", "task_id", "index"], name="checkpoint_write_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.task_id}"
