"""What was done, by whom, to what: see docs/privacy.md for the list of events."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from opengpts.fields import JSONTextField

MAX_LABEL = 100
MAX_NAME = 255


class Action(models.TextChoices):
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    # An assistant became public, or is so no more.
    SHARED = "shared"
    UNSHARED = "unshared"
    EXPORTED = "exported", "data exported"
    DEACTIVATED = "deactivated"
    KEY_CREATED = "key_created", "key created"
    KEY_REVOKED = "key_revoked", "key revoked"


class Way(models.TextChoices):
    """Through what somebody acted."""

    API = "api", "API"
    ADMIN = "admin"
    COMMAND = "command", "manage.py"
    SCHEDULE = "schedule"


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def older_than(self, *, days: int) -> "AuditEntryQuerySet":
        """The entries of more than so many days ago."""
        return self.filter(at__lt=now() - timedelta(days=days))

    def deletions_since(self, since: datetime) -> "AuditEntryQuerySet":
        """What was deleted since then."""
        return self.filter(action=Action.DELETED, at__gte=since)


class AuditEntry(models.Model):
    """One thing that was done. Written in the transaction that did it, so neither is there without the other.

    It holds no values and no texts: of a change, the names of the fields; of what it was done to, its kind and id, and
    its name as long as that is there. Of users who were deleted it holds a pseudonym.
    """

    at = models.DateTimeField(default=now, editable=False)
    action = models.CharField(max_length=32, choices=Action.choices)
    way = models.CharField("by way of", max_length=16, choices=Way.choices)
    # null: whoever could run a command on the server, the server itself, or a user who was deleted since.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    # Their user id, or what stands for it since they were deleted.
    actor_name = models.CharField("actor", max_length=MAX_NAME, blank=True)
    # Of what it was done to: `app.model`, and the primary key as text.
    kind = models.CharField(max_length=100)
    target_id = models.CharField("id", max_length=64)
    # Its name; empty once it was deleted.
    label = models.CharField("name", max_length=MAX_LABEL, blank=True)
    # Whose it was.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    owner_name = models.CharField("owner", max_length=MAX_NAME, blank=True)
    # Names of the fields that changed, and numbers of what went along. Never values.
    details = JSONTextField(default=dict)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(action__in=Action.values), name="audit_action_known"),
            models.CheckConstraint(condition=models.Q(way__in=Way.values), name="audit_way_known"),
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            models.Index(fields=["kind", "target_id"], name="audit_target"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.kind} {self.label or self.target_id}"
