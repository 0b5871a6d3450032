"""Who uses the server."""

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.scopes import Scope


class User(AbstractUser):
    """A person or program. `username` is the `user_id` that the API shows.

    A user made for an API identity (a cookie, a token's subject) has no usable password and is never
    staff; staff log in to the admin with a password. Neither can become the other by choosing a name.
    """

    # An identity provider may name its users as it likes, at any length up to 255.
    username = models.CharField(
        "user id",
        max_length=255,
        unique=True,
        error_messages={"unique": "A user with that user id already exists."},
    )
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]

    # How often all logins of this user were ended at once. Sessions and tokens hold what it was when they began.
    login_epoch = models.PositiveIntegerField(default=0, editable=False)

    REQUIRED_FIELDS = []

    def get_full_name(self) -> str:
        return self.username

    def get_short_name(self) -> str:
        return self.username

    @property
    def is_api_identity(self) -> bool:
        """Whether what others say (the development cookie, a token's subject) may stand for this user."""
        return not (self.is_staff or self.is_superuser or self.has_usable_password())

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a login is bound to, as Django has it: another password ends it. So does another `login_epoch`.

        Django's two public methods, for the key of today and for earlier ones, both come by here.
        """
        bound_to = f"{self.password}{self.login_epoch}" if self.login_epoch else self.password
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, bound_to, secret=secret, algorithm="sha256").hexdigest()


# Characters.
MAX_KEY_NAME = 100


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    """Keys, newest first."""

    def owned_by(self, user: User) -> "APIKeyQuerySet":
        """Those of a user."""
        return self.filter(owner=user)

    def in_use(self) -> "APIKeyQuerySet":
        """Those that are good for something: neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


class APIKey(models.Model):
    """What a program sends to act for its owner, as far as its scopes go. The key itself is not kept.

    It is `ogpt_<prefix>_<secret>`. `prefix` is no secret: people recognise the key by it, and the row is found by it.
    `digest` is the SHA-256 of the whole key. What makes a hash of a password slow and salted would be of no use: the
    secret is 256 random bits, which nobody can guess at any speed, and every request hashes it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=MAX_KEY_NAME)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    can_read = models.BooleanField("may read", default=False)
    can_run = models.BooleanField("may run", default=False)
    can_manage = models.BooleanField("may manage", default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(can_read=True) | Q(can_run=True) | Q(can_manage=True),
                name="api_key_has_a_scope",
                violation_error_message="Choose what it may be used for.",
            ),
        ]
        indexes = [models.Index(fields=["owner", "-created_at"], name="api_key_owner_created")]

    def __str__(self) -> str:
        return f"{self.name} (ogpt_{self.prefix}_…)"

    @property
    def scopes(self) -> frozenset[Scope]:
        """What it may be used for."""
        given = {Scope.READ: self.can_read, Scope.RUN: self.can_run, Scope.MANAGE: self.can_manage}
        return frozenset(scope for scope, has in given.items() if has)

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now
