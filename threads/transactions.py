"""SQL statements that take effect together, in as few messages as the database allows.

SQLite is called statement by statement. To PostgreSQL each message is a round trip, as long as a small
statement takes; but it takes several statements in one.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from django.db import Error, connection, transaction

Statement = tuple[str, Sequence[Any]]
_BEGIN: Statement = ("BEGIN", ())
_COMMIT: Statement = ("COMMIT", ())


def fetch(sql: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows that one statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def uuid_parameter(value: UUID) -> Any:
    """A UUID as a parameter: SQLite has it as text."""
    return value if connection.features.has_native_uuid_field else value.hex


def uuid_of(value: Any) -> UUID:
    """A UUID as a row has it."""
    return value if isinstance(value, UUID) else UUID(value)


def carry_out(statements: Sequence[Statement]) -> None:
    """Carry out all of the statements, or none."""
    if len(statements) == 1:
        fetch(*statements[0])
    elif statements:
        with Transaction() as together:
            together.send(statements, last=True)


class Transaction:
    """A transaction; within one of Django's it is part of that, as `atomic` would be.

    Django says BEGIN and COMMIT in messages of their own. Here they go with the first and the last statements.
    """

    def __init__(self) -> None:
        spare_messages = connection.vendor == "postgresql" and not connection.in_atomic_block
        self._atomic = None if spare_messages else transaction.atomic()
        self._begun = self._ended = False

    def __enter__(self) -> Self:
        if self._atomic:
            self._atomic.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._atomic:
            self._atomic.__exit__(kind, error, traceback)
        elif self._begun and not self._ended:
            try:
                connection.rollback()
            except Error:  # the connection is gone, and the transaction with it
                connection.close()

    def send(self, statements: Sequence[Statement], *, last: bool = False) -> list[list[Any]]:
        """Carry out statements, one after the other; returns the rows that each gives.

        With `last` the transaction may end with them: what was not sent until then is not part of it. One
        without a `last` is undone.
        """
        if self._atomic and connection.vendor != "postgresql":
            return [fetch(sql, parameters) for sql, parameters in statements]
        if self._atomic:
            return _send(statements)
        before = [] if self._begun else [_BEGIN]
        after = [_COMMIT] if last else []
        self._begun = True
        results = _send([*before, *statements, *after])
        self._ended = last
        return results[len(before) : len(results) - len(after)]


def _send(statements: Sequence[Statement]) -> list[list[Any]]:
    """Send PostgreSQL several statements at once."""
    results: list[list[Any]] = []
    with connection.cursor() as cursor:
        sql = "; ".join(sql for sql, _ in statements)
        cursor.execute(sql, [value for _, parameters in statements for value in parameters])
        while len(results) < len(statements):
            results.append(cursor.fetchall() if cursor.description else [])
            cursor.nextset()
    return results
