"""Runs: one piece of work of an assistant on a thread."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from assistants.models import Assistant
from opengpts.fields import JSONTextField
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


class RunQuerySet(models.QuerySet["Run"]):
    def owned_by(self, user: "User") -> "RunQuerySet":
        """The runs that `user` started: the only ones they may see."""
        return self.filter(owner=user)


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
    config = JSONTextField(default=dict)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # Names the process that runs it, so that a restart recognises the runs that died with the last one.
    worker = models.CharField(max_length=255, blank=True)
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
