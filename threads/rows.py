"""Message rows: how they are written and read. Knows nothing of LangChain."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from opengpts.errors import Conflict, NotFound
from threads import statements
from threads.message_codec import EncodedMessage
from threads.models import Message, Thread
from threads.positions import Ranges, covering, holds, split_last, to_positions
from threads.storage import bytes_of
from threads.transactions import Statement, Transaction

# Messages that `newest_first` reads with one query.
NEWEST = 8

# By the ids of messages, the positions of rows that had them before.
NamedAgain = dict[str, set[int]]


class UnknownThread(NotFound):
    """State was to be saved for a thread that does not exist, or no longer."""

    def __init__(self) -> None:
        super().__init__("This thread does not exist.")


class NotTheirs(Conflict):
    """State was to be saved by whoever may write it no longer: another has gone on from an earlier one."""

    def __init__(self) -> None:
        super().__init__("The run was deleted, or goes on in another process.")


def lock_thread(thread_id: UUID) -> int:
    """Make other writers of the thread's messages wait until this transaction ends. Returns its last position.

    (SQLite has one writer at a time anyway: the transaction itself is the lock.) Raises `UnknownThread`.
    """
    locked = Thread.objects.select_for_update(no_key=True).filter(pk=thread_id).values_list("last_position").first()
    if locked is None:
        raise UnknownThread
    last_position: int = locked[0]
    return last_position


def refuse_full(last_position: int, new: int) -> None:
    """Raises `Conflict` where a thread would get beyond MAX_MESSAGES_PER_THREAD with so many `new` messages."""
    most = settings.MAX_MESSAGES_PER_THREAD
    if last_position + new > most:
        raise Conflict(f"A thread takes {most} messages (MAX_MESSAGES_PER_THREAD). Start another one.")


def place_messages(
    together: Transaction, thread_id: UUID, encoded: Sequence[EncodedMessage]
) -> tuple[list[int], list[Statement], NamedAgain]:
    """The positions of these messages, the statements that are to write those without a row, and what has their ids.

    The thread is locked until the transaction ends. A message that the newest row with its id says already
    gets that row's position. Raises `UnknownThread`.
    """
    ids = {message.message_id for message in encoded} - {""}
    # Takes the positions for good: one that is not used in the end stays a gap.
    size = sum(map(bytes_of, encoded))
    last_position, same_id = statements.take_positions(together, thread_id, len(encoded), [*ids], size=size)
    if last_position is None:
        raise UnknownThread
    written: dict[str, tuple[int, _Identity]] = {
        message_id: (position, (data, exact_type, None if exact is None else bytes(exact)))
        for message_id, position, data, exact_type, exact in same_id
    }
    free = last_position - len(encoded) + 1
    positions: list[int] = []
    rows: list[Message] = []
    for message in encoded:
        position, stored = written.get(message.message_id, (0, None))
        if stored != _identity(message):
            position = free + len(rows)
            rows.append(_row(thread_id, position, message))
            if message.message_id:
                written[message.message_id] = (position, _identity(message))
        positions.append(position)
    named_again: NamedAgain = {}
    for message_id, position, *_ in same_id:
        named_again.setdefault(message_id, set()).add(position)
    inserts = statements.insert_messages.of(rows)
    if len(rows) < len(encoded):
        inserts.append(statements.correct_size(thread_id, size - sum(map(bytes_of, rows))))
    return positions, inserts, named_again


def read_messages(thread_id: UUID, ranges: Ranges) -> list[statements.MessageRow]:
    """The rows at these positions, in the order they were written, and maybe some between; one indexed query."""
    return statements.messages_between(thread_id, covering(ranges)) if ranges else []


def messages_at(thread_id: UUID, ranges: Iterable[list[int]]) -> QuerySet[Message]:
    """The rows at these positions, in the order they were written, and maybe some between; one indexed query."""
    within = Q(pk__in=[])
    for first, last in covering(ranges):
        within |= Q(position__gte=first, position__lte=last)
    return Message.objects.filter(within, thread_id=thread_id).order_by("position")


def texts_at(thread_id: UUID, ranges: Ranges) -> dict[int, str]:
    """The wire JSON of the messages at these positions, by position; no query for none."""
    return {position: data for position, data, *_ in read_messages(thread_id, ranges)}


def texts_of(thread_id: UUID, positions: Collection[int]) -> dict[int, str]:
    """As `texts_at`, for single positions that may lie far apart: nothing between them is read."""
    if not positions:
        return {}
    rows = Message.objects.filter(thread_id=thread_id, position__in=set(positions)).order_by()
    return dict(rows.values_list("position", "data"))


def newest_first(thread_id: UUID, ranges: Ranges) -> Iterator[str]:
    """The wire JSON of the messages at these positions from the last one on, read a few at a time as they are taken."""
    while ranges:
        ranges, some = split_last(ranges, NEWEST)
        texts = texts_at(thread_id, some)
        # A row that is gone was deleted since the positions were read.
        yield from (texts[position] for position in reversed(to_positions(some)) if position in texts)


def positions_of(thread_id: UUID, ranges: Ranges, message_ids: Collection[str]) -> dict[str, int]:
    """Where the messages with these ids are, of those at the positions of a conversation; one indexed query."""
    rows = Message.objects.filter(thread_id=thread_id, message_id__in=set(message_ids)).order_by("position")
    found = rows.values_list("message_id", "position")
    return {message_id: position for message_id, position in found if holds(ranges, position)}


_Identity = tuple[str, str, bytes | None]


def _identity(message: EncodedMessage) -> _Identity:
    return message.data, message.exact_type, message.exact


def _row(thread_id: UUID, position: int, message: EncodedMessage) -> Message:
    return Message(
        thread_id=thread_id,
        position=position,
        message_id=message.message_id,
        type=message.type,
        content=message.content,
        data=message.data,
        exact_type=message.exact_type,
        exact=message.exact,
    )
