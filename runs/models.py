"""Runs: one piece of work of an assistant on a thread."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from agents.config_secrets.sealing import Sealed
from agents.language_models.usage import Usage
from assistants.models import Assistant
from opengpts.fields import JSONTextField, SecretsField
from threads.models import Thread

if TYPE_CHECKING:
    from accounts.models import User


class RunStatus(models.TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


UNFINISHED = (RunStatus.PENDING, RunStatus.RUNNING)
# What the protocol's lifecycle events say of runs that have ended.
LIFECYCLE_OF = {
    RunStatus.SUCCESS: "completed",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.ERROR: "failed",
    # The protocol has no word of its own for it.
    RunStatus.CANCELLED: "failed",
}
LIFECYCLE_ENDS = frozenset(LIFECYCLE_OF.values())


class CancelAction(models.TextChoices):
    """What becomes of a run that is cancelled."""

    # It stops where it is. What it has said stays in the thread.
    INTERRUPT = "interrupt"
    # What it has added to the thread is taken out again.
    ROLLBACK = "rollback"


class RunQuerySet(models.QuerySet["Run"]):
    def owned_by(self, user: "User") -> "RunQuerySet":
        """The runs that `user` started: the only ones they may see."""
        return self.filter(owner=user)

    def unfinished(self) -> "RunQuerySet":
        """The runs that wait or go on."""
        return self.filter(status__in=UNFINISHED)


class Run(models.Model):
    """One run: what it was asked, how far it is, how it ended.

    The rows in `pending` are the queue, so a run that was accepted is not lost with the process. The
    status only moves by compare-and-set, and the database lets a thread have one `running` run at most.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="runs")
    assistant = models.ForeignKey(Assistant, models.SET_NULL, null=True, related_name="runs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="runs")
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.PENDING)
    # null: go on from where the thread stands.
    input = JSONTextField(null=True)
    # What it says to tool calls that waited when it was asked for: `{"calls": [ids], "decisions": […]}`, one for each.
    # `decisions` are null where all are approved as they stand then.
    resume = JSONTextField(null=True)
    config = JSONTextField(default=dict)
    # What `***` in it stands for, encrypted.
    secrets = SecretsField()
    # The checkpoint of its thread that it begins from; empty: the newest one when it is its turn.
    checkpoint_id = models.CharField(max_length=64, blank=True, editable=False)
    # Set when somebody wants it cancelled while it goes on: its process then stops it.
    cancel_action = models.CharField(max_length=16, choices=CancelAction.choices, blank=True, editable=False)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    # The label of the model that it called, the last attempt's where that changed; empty: none has been called yet.
    model = models.CharField(max_length=255, blank=True, editable=False)
    # Tokens that its models read and wrote, and what that cost in USD at the prices of its time. null: no model has
    # been called yet; for the cost also that a price was not known.
    input_tokens = models.PositiveBigIntegerField(null=True, editable=False)
    output_tokens = models.PositiveBigIntegerField(null=True, editable=False)
    # Of some calls the provider gave no count, or they broke off.
    usage_estimated = models.BooleanField(default=False, editable=False)
    cost = models.DecimalField(max_digits=20, decimal_places=10, null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0)
    # Names the process that runs it, so that a restart recognises the runs that died with the last one.
    worker = models.CharField(max_length=255, blank=True)
    # It was started by a command of the protocol, and nobody who subscribes to how runs end was told how it did.
    awaited = models.BooleanField(default=False, editable=False)
    # Its events come after this number in its thread's log. null: it has not begun.
    first_seq = models.PositiveBigIntegerField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"], condition=models.Q(status="running"), name="run_one_running_per_thread"
            ),
            models.CheckConstraint(condition=models.Q(status__in=RunStatus.values), name="run_status_known"),
            models.CheckConstraint(
                condition=models.Q(cancel_action__in=["", *CancelAction.values]), name="run_cancel_action_known"
            ),
            models.CheckConstraint(
                condition=models.Q(input_tokens__isnull=True, output_tokens__isnull=True, cost__isnull=True)
                | models.Q(input_tokens__isnull=False, output_tokens__isnull=False),
                name="run_usage_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["thread", "-created_at"], name="run_thread_newest"),
            models.Index(fields=["owner", "-created_at"], name="run_owner_newest"),
            models.Index(
                fields=["status", "created_at"],
                name="run_unfinished",
                condition=models.Q(status__in=["pending", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.status}"

    @property
    def sealed(self) -> Sealed:
        """The config with its secrets, still encrypted."""
        return Sealed(self.config, self.secrets)

    @property
    def usage(self) -> Usage | None:
        """What its models used so far; None where none was called."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return Usage(self.input_tokens, self.output_tokens, self.usage_estimated)
