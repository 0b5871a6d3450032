"""Conversations of which only the newest part is at hand.

A model reads no more than fits its context window, so a run need not load what was said a thousand turns ago. What is
not loaded is one `Earlier` at the conversation's head. Whoever would have to read it raises `EarlierNeeded` instead,
and the run goes on with everything loaded: how much is loaded never changes what a graph does.
"""

import uuid
from collections.abc import Sequence
from typing import Literal

from langchain_core.messages import BaseMessage
from pydantic import Field


class EarlierNeeded(Exception):
    """Something depends on messages that were not loaded."""


class Earlier(BaseMessage):
    """Stands for the messages before the first one loaded: part of a state, and never sent to anybody.

    `positions` are first and last numbers of theirs, as whoever keeps the messages gives them.
    """

    type: Literal["earlier"] = "earlier"
    # No message that somebody sends can have it by chance, and replace this one.
    id: str | None = Field(default_factory=lambda: str(uuid.uuid4()))
    positions: list[list[int]] = []


def is_cut_off(messages: Sequence[BaseMessage]) -> bool:
    """Whether a conversation, or what was made of it in its order, lacks its beginning."""
    return bool(messages) and isinstance(messages[0], Earlier)


def need_all(messages: Sequence[BaseMessage]) -> None:
    """Say that no part of the conversation may be missing. Raises `EarlierNeeded` where one is."""
    if is_cut_off(messages):
        raise EarlierNeeded
