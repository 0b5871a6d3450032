"""Schedules: runs that begin by the clock."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from agents.config_secrets.sealing import Sealed
from assistants.models import Assistant
from opengpts.fields import JSONTextField, SecretsField
from runs.models import Run
from schedules.cron import MAX_LENGTH
from threads.models import Thread

if TYPE_CHECKING:
    from accounts.models import User


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def owned_by(self, user: "User") -> "ScheduleQuerySet":
        """The schedules of `user`: the only ones they may see or change."""
        return self.filter(owner=user)


class Schedule(models.Model):
    """When an assistant is run on a thread, for the thread's owner, and with what input.

    `next_at` only moves by compare-and-set, in the transaction that creates the run: however many processes look at
    it, and whenever they die, a time that is due makes one run.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="schedules")
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="schedules")
    # null: the thread's, or one that has been deleted; `follows_thread` tells which.
    assistant = models.ForeignKey(Assistant, models.SET_NULL, null=True, blank=True, related_name="schedules")
    # Whether the thread's assistant is run, whichever that is by then.
    follows_thread = models.BooleanField(default=True, editable=False)
    cron = models.CharField(max_length=MAX_LENGTH)
    timezone = models.CharField("time zone", max_length=64, default="UTC")
    # Messages in the API's form but without ids: each run adds new ones.
    input = JSONTextField(default=list)
    config = JSONTextField(default=dict)
    # What `***` in it stands for, encrypted.
    secrets = SecretsField()
    enabled = models.BooleanField(default=True)
    # When it is due; null where it is switched off.
    next_at = models.DateTimeField("next", null=True, editable=False)
    # When it was last due, or was run by hand; whether or not a run began.
    last_at = models.DateTimeField("last", null=True, editable=False)
    # The newest run that began.
    last_run = models.ForeignKey(Run, models.SET_NULL, null=True, editable=False, related_name="+")
    # Why none began at `last_at`, or why it was switched off; empty where all is well.
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(enabled=True, next_at__isnull=False) | models.Q(enabled=False, next_at__isnull=True),
                name="schedule_due_while_enabled",
            ),
            models.CheckConstraint(
                condition=models.Q(follows_thread=False) | models.Q(assistant__isnull=True),
                name="schedule_one_assistant",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="schedule_due", condition=models.Q(next_at__isnull=False)),
            models.Index(fields=["owner", "-created_at", "-id"], name="schedule_owner_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.cron} {self.timezone}"

    @property
    def sealed(self) -> Sealed:
        """The config with its secrets, still encrypted."""
        return Sealed(self.config, self.secrets)
