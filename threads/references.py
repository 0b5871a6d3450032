"""The values of channels with their messages taken out, and put back.

A message is taken out of a value that is a message, a list of messages, or a dict with such members
(one level deep: what a graph is given as input). In its place goes a reference, which is JSON:

- a number is the message at that position of the thread;
- a list of ranges is the list of the messages at those positions;
- an object says it member by member; the dict's other members stay where they were.

An `Earlier` is no message of its own, but those that it stands for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from agents.earlier import Earlier
from threads.positions import Ranges, Reference, joined, to_positions

Held = BaseMessage | list[BaseMessage] | Mapping[str, "Held"]


def split(value: Any) -> tuple[Held | None, Any]:
    """The messages of a value and what is left of it; None for a value without messages.

    A list is copied, so that its owner may go on changing it.
    """
    if type(value) is not dict:
        held = _messages_of(value)
        return held, (value if held is None else None)
    held_members = {key: held for key, member in value.items() if (held := _messages_of(member)) is not None}
    if not held_members or not all(type(key) is str for key in held_members):
        return None, value
    return held_members, {key: None if key in held_members else member for key, member in value.items()}


def join(reference: Reference | None, rest: Any, message_at: Callable[[int], BaseMessage]) -> Any:
    """The value that `split` took apart."""
    if reference is None:
        return rest
    if isinstance(reference, dict):
        return {**rest, **{key: join(member, None, message_at) for key, member in reference.items()}}
    if isinstance(reference, int):
        return message_at(reference)
    return [message_at(position) for position in to_positions(reference)]


def messages_in(held: Held) -> Iterator[BaseMessage]:
    """Every message that is held, in order, as often as it is held; an `Earlier` in place of its messages."""
    if isinstance(held, BaseMessage):
        yield held
    elif isinstance(held, list):
        yield from held
    else:
        for member in held.values():
            yield from messages_in(member)


def refer(held: Held, position_of: Callable[[BaseMessage], int]) -> Reference:
    """The reference to what is held. `position_of` is asked about messages alone, not about an `Earlier`."""
    if isinstance(held, Earlier):
        return held.positions
    if isinstance(held, BaseMessage):
        return position_of(held)
    if isinstance(held, list):
        return joined(span for message in held for span in _ranges_of(message, position_of))
    return {key: refer(member, position_of) for key, member in held.items()}


def _ranges_of(message: BaseMessage, position_of: Callable[[BaseMessage], int]) -> Ranges:
    if isinstance(message, Earlier):
        return message.positions
    position = position_of(message)
    return [[position, position]]


def _messages_of(value: Any) -> BaseMessage | list[BaseMessage] | None:
    if isinstance(value, BaseMessage):
        return value
    if type(value) is list and value:
        members = value.copy()
        if all(isinstance(member, BaseMessage) for member in members):
            return members
    return None
