"""How many bytes messages take: of the JSON that the API shows, and of what that cannot say.

Each thread has the number for its rows, which whoever writes or deletes some changes in the same transaction: to say
what a user has stored is to add up their threads.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from threads.message_codec import EncodedMessage
from threads.models import Message, Thread


class _Bytes(models.Func):
    """The length of a text or of bytes, in bytes. (SQLite has a function for it since 3.43.)"""

    function = "OCTET_LENGTH"
    output_field = models.BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **context)


def bytes_of(row: Message | EncodedMessage) -> int:
    """What one row takes."""
    data = len(row.data) if row.data.isascii() else len(row.data.encode())
    return data + len(row.exact or b"")


def bytes_of_wire(messages: Sequence[dict[str, Any]]) -> int:
    """What rows of these messages will take, about: that they get ids and defaults is not counted."""
    return len(json.dumps(messages, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def bytes_in(rows: QuerySet[Message]) -> int:
    """What these rows take."""
    each = _Bytes("data") + Coalesce(_Bytes("exact"), 0)
    total: int | None = rows.order_by().aggregate(total=Sum(each))["total"]
    return total or 0


def bytes_of_user(user_id: int) -> int:
    """What the messages of all of a user's threads take."""
    total: int | None = Thread.objects.filter(owner=user_id).order_by().aggregate(total=Sum("message_bytes"))["total"]
    return total or 0
