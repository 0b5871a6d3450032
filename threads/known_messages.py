"""What a saver remembers of the message objects it has seen, so that it writes and encodes each only once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage

from threads.message_codec import EncodedMessage, encode_fields, encode_row, fields_of, has_fields, load_fields
from threads.rows import NamedAgain


@dataclass(slots=True)
class NewMessage:
    """A message object that no known row stands for: its fields as they were, and the row to write."""

    message: BaseMessage
    fields: dict[str, Any]
    encoded: EncodedMessage


@dataclass(slots=True)
class _Known:
    # Keeps the object alive, or another could come to have its id().
    message: BaseMessage
    position: int
    # What to tell by that the object has changed since: its fields, parsed from `data` when first needed;
    # or where they may be objects that change unseen, its whole row.
    fields: dict[str, Any] | None = None
    data: str | None = None
    encoded: EncodedMessage | None = None

    def is_current(self) -> bool:
        if self.encoded is not None:
            return encode_row(self.message) == self.encoded
        if self.fields is None:
            assert self.data is not None
            self.fields, self.data = load_fields(self.data), None
        return has_fields(self.message, self.fields)


class KnownMessages:
    """Message objects and the positions of their rows.

    Messages are mutable, and LangGraph does change them (it gives them ids): an object that has changed
    since it was remembered is a new message. Safe to use from several threads: at worst an object is
    taken for new twice, and the second writer finds the first one's row.
    """

    def __init__(self) -> None:
        self._known: dict[UUID, dict[int, _Known]] = {}
        self._named_again: dict[UUID, NamedAgain] = {}

    def sort_out(
        self, thread_id: UUID, messages: Iterable[BaseMessage]
    ) -> tuple[dict[int, int], dict[int, NewMessage]]:
        """The positions of those that have a row, and the others encoded; both by `id()` of the message.

        Raises `UnstorableMessage`.
        """
        of_thread = self._known.get(thread_id, {})
        positions: dict[int, int] = {}
        new: dict[int, NewMessage] = {}
        for message in messages:
            key = id(message)
            known = of_thread.get(key)
            if known is not None and known.is_current():
                positions[key] = known.position
            elif key not in new:
                # Encoded from a copy: the object may change in another thread while we look at it.
                fields = fields_of(message)
                new[key] = NewMessage(message, fields, encode_fields(type(message), fields))
        return positions, new

    def remember_written(self, thread_id: UUID, new: NewMessage, position: int) -> None:
        """That the row at `position` says what `new` is."""
        if new.encoded.exact is None:
            known = _Known(new.message, position, fields=new.fields)
        else:
            known = _Known(new.message, position, encoded=new.encoded)
        self._known.setdefault(thread_id, {})[id(new.message)] = known

    def named_again(self, thread_id: UUID) -> NamedAgain:
        """Where messages stood whose ids those have that were written since."""
        return self._named_again.get(thread_id, {})

    def remember_named_again(self, thread_id: UUID, named_again: NamedAgain) -> None:
        """That messages were written with these ids, which others had before."""
        of_thread = self._named_again.setdefault(thread_id, {})
        for message_id, positions in named_again.items():
            of_thread.setdefault(message_id, set()).update(positions)

    def remember_read(self, thread_id: UUID, read: Iterable[tuple[BaseMessage, int, str]]) -> None:
        """That each message was just decoded from the row at this position, of which this is `data` and all."""
        of_thread = self._known.setdefault(thread_id, {})
        for message, position, data in read:
            of_thread[id(message)] = _Known(message, position, data=data)
