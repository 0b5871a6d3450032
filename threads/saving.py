"""One transaction of a saver: rows that refer to messages, and the messages that have no rows yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError
from langchain_core.messages import BaseMessage

from agents.earlier import Earlier, EarlierNeeded
from threads.known_messages import KnownMessages
from threads.message_codec import message_key
from threads.models import Checkpoint, CheckpointWrite, Thread
from threads.positions import Ranges, holds
from threads.references import Held, messages_in, refer
from threads.rows import NamedAgain, NotTheirs, UnknownThread, place_messages
from threads.statements import Insert
from threads.transactions import Statement, Transaction, carry_out


@dataclass(slots=True)
class RowToSave:
    """A row, what inserts it, and the messages that it refers to: by channel for a checkpoint."""

    insert: Insert
    row: Checkpoint | CheckpointWrite
    held: Held | None


class Save:
    """Rows and their messages. Make it, `execute()` it, then `remember()`.

    Made from what a saver knows of its messages: between making and remembering, the saver makes no other.
    Only `execute` touches the database, so that it alone needs a database thread.
    """

    def __init__(
        self, known: KnownMessages, thread_id: UUID, rows: Sequence[RowToSave], writer: Statement | None = None
    ) -> None:
        """Encodes the messages that have no rows. `writer` is that of `DjangoSaver`. Raises `UnstorableMessage`."""
        self._known, self._thread_id, self._rows, self._writer = known, thread_id, rows, writer
        messages: list[BaseMessage] = []
        # What a checkpoint holds of which not all was read.
        self._cut_off: list[Held] = []
        for row in rows:
            for message in messages_in(row.held) if row.held is not None else ():
                if not isinstance(message, Earlier):
                    messages.append(message)
                elif row.held is not None and isinstance(row.row, Checkpoint):
                    self._cut_off.append(row.held)
        self._positions, self._new = known.sort_out(thread_id, messages)
        self._named_again: NamedAgain = {}

    def execute(self) -> None:
        """Write it all, or nothing. Raises `UnknownThread`, `NotTheirs`, `EarlierNeeded`."""
        try:
            if not self._new and not self._writer:
                self._check_unread()
                carry_out(self._inserts())
                return
            with Transaction() as together:
                encoded = [message.encoded for message in self._new.values()]
                # The thread is locked from here on: whoever takes the writer's place waits for the end of this.
                written, inserts, self._named_again = place_messages(together, self._thread_id, encoded)
                self._check_unread()
                self._positions.update(zip(self._new, written, strict=True))
                if self._writer and together.send([self._writer]) == [[]]:
                    raise NotTheirs
                together.send([*inserts, *self._inserts()], last=True)
        except IntegrityError as error:
            # The foreign key is checked at the end of the transaction.
            if Thread.objects.filter(pk=self._thread_id).exists():
                raise
            raise UnknownThread from error

    def _check_unread(self) -> None:
        """Messages have replaced those with their ids, wherever these stood: that must not be where nobody has read."""
        for held in self._cut_off:
            unread: Ranges = []
            before: set[int] = set()
            for message in messages_in(held):
                if isinstance(message, Earlier):
                    unread += message.positions
                else:
                    before |= self._before(message_key(message))
            if any(holds(unread, position) for position in before):
                raise EarlierNeeded

    def _before(self, message_id: str) -> set[int]:
        """Where messages with this id stood before one was written with it."""
        known = self._known.named_again(self._thread_id)
        return self._named_again.get(message_id, set()) | known.get(message_id, set())

    def _inserts(self) -> list[Statement]:
        batches: dict[Insert, list[Checkpoint | CheckpointWrite]] = {}
        for row in self._rows:
            if row.held is not None:
                row.row.messages = refer(row.held, self._position_of)
            batches.setdefault(row.insert, []).append(row.row)
        return [statement for insert, rows in batches.items() for statement in insert.of(rows)]

    def remember(self) -> None:
        """Let the saver know the messages that have been written."""
        for key, message in self._new.items():
            self._known.remember_written(self._thread_id, message, self._positions[key])
        self._known.remember_named_again(self._thread_id, self._named_again)

    def _position_of(self, message: BaseMessage) -> int:
        return self._positions[id(message)]
