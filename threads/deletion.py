"""Whom to tell that a thread was deleted: those who keep something of it beside the database."""

import uuid
from collections.abc import Callable

_listeners: list[Callable[[uuid.UUID], None]] = []


def on_deletion(listener: Callable[[uuid.UUID], None]) -> None:
    """Have `listener` called with the id of each thread that is deleted, once that is committed."""
    _listeners.append(listener)


def tell_deleted(thread_id: uuid.UUID) -> None:
    """The thread is gone."""
    for listener in _listeners:
        listener(thread_id)
