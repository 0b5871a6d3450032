"""Assistants: what a user defines and talks to."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from agents.config_secrets.sealing import Sealed
from opengpts.fields import JSONTextField, SecretsField

if TYPE_CHECKING:
    from accounts.models import User


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def owned_by(self, user: "User") -> "AssistantQuerySet":
        """The assistants that `user` made: the ones they may change."""
        return self.filter(owner=user)

    def visible_to(self, user: "User") -> "AssistantQuerySet":
        """The assistants that `user` may read and run: their own and the public ones."""
        return self.filter(models.Q(owner=user) | models.Q(public=True))

    def public(self) -> "AssistantQuerySet":
        """The assistants that everyone may read and run."""
        return self.filter(public=True)


class Assistant(models.Model):
    """A model, instructions, tools and files, under a name. `config` is OpenGPTs' `{"configurable": {…}}`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="assistants")
    name = models.CharField(max_length=255, blank=True)
    config = JSONTextField(default=dict)
    # What `***` in it stands for, encrypted.
    secrets = SecretsField()
    public = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AssistantQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-updated_at", "-id"], name="assistant_owner_newest"),
            models.Index(
                fields=["-updated_at", "-id"], name="assistant_public_newest", condition=models.Q(public=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)

    @property
    def sealed(self) -> Sealed:
        """The config with its secrets, still encrypted."""
        return Sealed(self.config, self.secrets)

    def is_visible_to(self, user: "User") -> bool:
        """What `AssistantQuerySet.visible_to` asks, of one that is here."""
        return self.public or self.owner_id == user.pk
