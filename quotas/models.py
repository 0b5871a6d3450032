"""How much users may use, and how much they have used."""

from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.models import User

# Of amounts of money: as a run's cost.
MAX_DIGITS, DECIMAL_PLACES = 20, 10


class Quota(models.Model):
    """How much one user, or each member of one group, may use. What is empty here is not limited by this row.

    `quotas.allowances` says how the rows about one user go together.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="quota", help_text="Or a group."
    )
    group = models.OneToOneField(
        Group, models.CASCADE, null=True, blank=True, related_name="quota", help_text="Each of its members may so much."
    )
    runs_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Read and written by models, together."
    )
    cost_per_day = models.DecimalField(
        "cost per day (USD)",
        max_digits=MAX_DIGITS,
        decimal_places=DECIMAL_PLACES,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    storage_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of documents, and of messages in threads."
    )
    unlimited = models.BooleanField(
        default=False,
        help_text=(
            "Nothing is limited: neither by a group nor by the server's settings. The numbers above must be empty then."
        ),
    )

    class Meta:
        ordering = ["group__name", "user__username"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
                name="quota_user_or_group",
                violation_error_message="Choose a user or a group: one of them.",
            ),
            models.CheckConstraint(
                condition=Q(unlimited=False)
                | Q(
                    runs_per_day__isnull=True,
                    tokens_per_day__isnull=True,
                    cost_per_day__isnull=True,
                    storage_bytes__isnull=True,
                ),
                name="quota_unlimited_without_numbers",
                violation_error_message="Where nothing is limited there can be no numbers.",
            ),
            models.CheckConstraint(
                condition=Q(cost_per_day__isnull=True) | Q(cost_per_day__gte=0), name="quota_cost_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.group)

    @property
    def owner(self) -> "User | None":
        """Whose it is, for the audit log; nobody's where it is a group's."""
        return self.user


class DailyUse(models.Model):
    """What one user has used on one day. It only grows: deleting runs and threads gives nothing back.

    Written by `quotas.ledger` alone.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="daily_use", db_index=False)
    day = models.DateField(help_text="UTC")
    runs = models.PositiveBigIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    # Of what had a price.
    cost = models.DecimalField("cost (USD)", max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES, default=Decimal(0))

    class Meta:
        ordering = ["-day", "user"]
        verbose_name = verbose_name_plural = "use per day"
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="daily_use_once")]
        indexes = [models.Index(fields=["-day", "user"], name="daily_use_newest")]

    def __str__(self) -> str:
        return f"{self.user} {self.day}"

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens
