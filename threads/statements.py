"""The few statements that every step of a run makes, and every reading of a state, written out.

The ORM takes 100 to 400 us to put one of them together, and does so each time; the database needs 20.
Names come from the models. SQLite (3.35) and PostgreSQL understand all of it.
"""

import json
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, Field, ForeignKey, Model

from opengpts.fields import JSONTextField
from threads.models import Checkpoint, CheckpointWrite, Message, Thread
from threads.positions import Ranges
from threads.transactions import Statement, Transaction, fetch, uuid_parameter

T = TypeVar("T", bound=Model)

# Rows that one INSERT takes: SQLite has a limit of parameters.
BATCH = 500


def _stored_as(field: Field) -> Callable[[Any], Any] | None:
    """What turns a value of the field into a parameter; None where it is one already."""
    if isinstance(field, JSONTextField):
        return field.get_prep_value
    if isinstance(field, DateTimeField):
        return lambda time: connection.ops.adapt_datetimefield_value(time)
    return uuid_parameter if isinstance(field, ForeignKey) else None


def _column(field: Any) -> str:
    return str(field.column)


def _names(names: Sequence[str], table: str = "") -> str:
    return ", ".join(f'{table}."{name}"' if table else f'"{name}"' for name in names)


class Insert:
    """Inserts rows of a model, all fields but the primary key, which the database gives."""

    def __init__(self, model: type[Model], *, unique: Sequence[str] = (), replace: Sequence[str] | None = None) -> None:
        """With `unique`, rows that are there already under those fields stay, but get the new values of `replace`.

        Of several that are inserted together the last one counts then, as if they came one after the other.
        """
        meta = model._meta
        fields = [field for field in meta.concrete_fields if not field.primary_key]
        self._fields = [(field.attname, _stored_as(field)) for field in fields]
        names = _names([_column(field) for field in fields])
        self._insert = f'INSERT INTO "{meta.db_table}" ({names}) VALUES '  # nosec B608  # names of ours; values are parameters
        self._row = f"({', '.join(['%s'] * len(fields))})"
        self._on_conflict = ""
        # PostgreSQL does not change a row twice in one statement.
        self._key = attrgetter(*(field.attname for field in fields if field.name in unique)) if replace else None
        if unique:
            key = _names([_column(meta.get_field(name)) for name in unique])
            values = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in replace or ())
            self._on_conflict = f" ON CONFLICT ({key}) DO {'UPDATE SET ' + values if values else 'NOTHING'}"  # nosec B608  # names of ours; values are parameters

    def of(self, rows: Sequence[Model]) -> list[Statement]:
        """The statements that insert these rows: one, for no more than BATCH."""
        if self._key and len(rows) > 1:
            rows = list({self._key(row): row for row in rows}.values())
        return [self._of(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]

    def _of(self, rows: Sequence[Model]) -> Statement:
        values = ", ".join([self._row] * len(rows))
        parameters = [
            getattr(row, name) if stored_as is None else stored_as(getattr(row, name))
            for row in rows
            for name, stored_as in self._fields
        ]
        return self._insert + values + self._on_conflict, parameters


_CHECKPOINT_KEY = ["thread", "checkpoint_ns", "checkpoint_id"]
_CHECKPOINT_VALUES = [
    "parent_checkpoint_id",
    "run_id",
    "source",
    "step",
    "next",
    "messages",
    "values_type",
    "values",
    "data",
    "metadata",
    "created_at",
]
_WRITE_KEY = [*_CHECKPOINT_KEY, "task_id", "index"]

insert_messages = Insert(Message)
put_checkpoint = Insert(Checkpoint, unique=_CHECKPOINT_KEY, replace=_CHECKPOINT_VALUES)
add_writes = Insert(CheckpointWrite, unique=_WRITE_KEY)
put_writes = Insert(
    CheckpointWrite, unique=_WRITE_KEY, replace=["task_path", "run_id", "channel", "messages", "value_type", "value"]
)


_THREADS, _MESSAGES = Thread._meta.db_table, Message._meta.db_table
_MESSAGE_FIELDS = ["position", "data", "exact_type", "exact"]
_CHECKPOINT_FIELDS = [
    "id",
    "checkpoint_id",
    "parent_checkpoint_id",
    "messages",
    "values_type",
    "values",
    "data",
    "metadata",
]
_WRITE_FIELDS = ["id", "checkpoint_id", "task_id", "task_path", "index", "channel", "messages", "value_type", "value"]
_JSON_FIELDS = {"messages", "data", "metadata"}
_CHECKPOINTS, _WRITES = Checkpoint._meta.db_table, CheckpointWrite._meta.db_table
_CHECKPOINT_WITH_WRITES = (
    f"SELECT {_names(_CHECKPOINT_FIELDS, 'c')}, {_names(_WRITE_FIELDS, 'w')}"  # nosec B608  # names of ours; values are parameters
    f' FROM (SELECT * FROM "{_CHECKPOINTS}" WHERE thread_id = %s AND checkpoint_ns = %s {{}}) AS c'
    f' LEFT JOIN "{_WRITES}" AS w ON w.thread_id = c.thread_id AND w.checkpoint_ns = c.checkpoint_ns'
    " AND w.checkpoint_id = c.checkpoint_id"
)
_NAMED = _CHECKPOINT_WITH_WRITES.format("AND checkpoint_id = %s")
_NEWEST = _CHECKPOINT_WITH_WRITES.format("ORDER BY checkpoint_id DESC LIMIT 1")
_STATES = (
    f'SELECT {_names(["checkpoint_id", "next", "messages"])} FROM "{_CHECKPOINTS}"'  # nosec B608  # names of ours; values are parameters
    " WHERE thread_id = %s AND checkpoint_ns = ''"
)

# position, data, exact_type, exact
MessageRow = tuple[int, str, str, bytes | memoryview | None]


def take_positions(
    together: Transaction, thread_id: UUID, number: int, message_ids: Sequence[str], *, size: int
) -> tuple[int | None, list[tuple[str, *MessageRow]]]:
    """Give out the thread's next positions, and lock its row until the transaction ends. `size`: bytes to be written.

    Returns the last one, None for an unknown thread; and the rows with one of the ids, oldest first: each
    its id and the columns of MessageRow.
    """
    key = uuid_parameter(thread_id)
    update = (
        f'UPDATE "{_THREADS}" SET last_position = last_position + %s, message_bytes = message_bytes + %s WHERE id = %s'  # nosec B608  # names of ours; values are parameters
        " RETURNING last_position"
    )
    # After the lock: who held it may have written just these.
    select = (
        f'SELECT message_id, {_names(_MESSAGE_FIELDS)} FROM "{_MESSAGES}"'  # nosec B608  # names of ours; values are parameters
        f" WHERE thread_id = %s AND message_id IN ({', '.join(['%s'] * len(message_ids))}) ORDER BY position"
    )
    statements: list[Statement] = [(update, [number, size, key])]
    if message_ids:
        statements.append((select, [key, *message_ids]))
    taken, *same = together.send(statements)
    return taken[0][0] if taken else None, same[0] if same else []


def correct_size(thread_id: UUID, unwritten: int) -> Statement:
    """Of the bytes that were to be written, so many were not."""
    sql = f'UPDATE "{_THREADS}" SET message_bytes = message_bytes - %s WHERE id = %s'  # nosec B608  # names of ours; values are parameters
    return sql, [unwritten, uuid_parameter(thread_id)]


def messages_between(thread_id: UUID, spans: Ranges) -> list[MessageRow]:
    """The messages at the positions of these spans, in the order they were written."""
    within = " OR ".join(["position BETWEEN %s AND %s"] * len(spans))
    sql = f'SELECT {_names(_MESSAGE_FIELDS)} FROM "{_MESSAGES}" WHERE thread_id = %s AND ({within}) ORDER BY position'  # nosec B608  # names of ours; values are parameters
    return fetch(sql, [uuid_parameter(thread_id), *(position for span in spans for position in span)])


def has_message_id(thread_id: UUID, message_ids: Sequence[str]) -> bool:
    """Whether the thread has a row with one of these ids."""
    sql = (
        f'SELECT 1 FROM "{_MESSAGES}" WHERE thread_id = %s'  # nosec B608  # names of ours; values are parameters
        f" AND message_id IN ({', '.join(['%s'] * len(message_ids))}) LIMIT 1"
    )
    return bool(fetch(sql, [uuid_parameter(thread_id), *message_ids]))


def find_checkpoint(
    thread_id: UUID, checkpoint_ns: str, checkpoint_id: str | None
) -> tuple[Checkpoint, list[CheckpointWrite]] | None:
    """The checkpoint with this id, or the newest one without, and its writes in no order.

    Only what LangGraph reads is loaded.
    """
    key = uuid_parameter(thread_id)
    if checkpoint_id:
        found = fetch(_NAMED, [key, checkpoint_ns, checkpoint_id])
    else:
        found = fetch(_NEWEST, [key, checkpoint_ns])
    if not found:
        return None
    known = {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns}
    border = len(_CHECKPOINT_FIELDS)
    writes = [
        _instance(CheckpointWrite, _WRITE_FIELDS, row[border:], known) for row in found if row[border] is not None
    ]
    return _instance(Checkpoint, _CHECKPOINT_FIELDS, found[0][:border], known), writes


def find_state(thread_id: UUID, checkpoint_id: str | None) -> tuple[str, Any, Any] | None:
    """`checkpoint_id`, `next` and `messages` of the graph's checkpoint with this id, or of the newest one without."""
    key = uuid_parameter(thread_id)
    if checkpoint_id is not None:
        found = fetch(f"{_STATES} AND checkpoint_id = %s", [key, checkpoint_id])
    else:
        found = fetch(f"{_STATES} ORDER BY checkpoint_id DESC LIMIT 1", [key])
    return (found[0][0], json.loads(found[0][1]), json.loads(found[0][2])) if found else None


def _instance(model: type[T], fields: Sequence[str], row: Sequence[Any], known: dict[str, Any]) -> T:
    values = [
        json.loads(value) if name in _JSON_FIELDS and value is not None else value
        for name, value in zip(fields, row, strict=True)
    ]
    # In the order of the model's fields, as `from_db` wants it.
    loaded = {**known, **dict(zip(fields, values, strict=True))}
    names = [field.attname for field in model._meta.concrete_fields if field.attname in loaded]
    return model.from_db(connection.alias, names, [loaded[name] for name in names])
