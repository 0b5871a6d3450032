"""The shape of quotas on the wire."""

import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from quotas.allowances import Allowance
from quotas.ledger import next_day
from quotas.models import DECIMAL_PLACES, MAX_DIGITS, DailyUse


class CountSerializer(serializers.Serializer[dict[str, int | None]]):
    """A number that is limited: `limit` is null where it is not. What has been used may be more than that."""

    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()


class MoneySerializer(serializers.Serializer[dict[str, Decimal | None]]):
    """An amount in USD that is limited, as `CountSerializer`."""

    limit = serializers.DecimalField(
        max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES, normalize_output=True, allow_null=True
    )
    used = serializers.DecimalField(max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES, normalize_output=True)


class QuotasSerializer(serializers.Serializer[dict[str, Any]]):
    """What the user may use and has used: today (UTC, until `resets_at`), and of storage."""

    resets_at = serializers.DateTimeField()
    runs = CountSerializer(help_text="Started today.")
    tokens = CountSerializer(help_text="Read and written by models today.")
    cost = MoneySerializer(help_text="Of today, in USD, where prices are known.")
    storage = CountSerializer(help_text="Bytes of documents and of messages in threads. No day resets it.")


def quotas_shown(allowance: Allowance, use: DailyUse, storage: int) -> dict[str, Any]:
    """What `QuotasSerializer` shows."""
    resets_at: datetime.datetime = next_day(use.day)
    return {
        "resets_at": resets_at,
        "runs": {"limit": allowance.runs_per_day, "used": use.runs},
        "tokens": {"limit": allowance.tokens_per_day, "used": use.tokens},
        "cost": {"limit": allowance.cost_per_day, "used": use.cost},
        "storage": {"limit": allowance.storage_bytes, "used": storage},
    }
