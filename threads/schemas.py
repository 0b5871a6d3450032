"""The shape of threads on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel
from rest_framework import serializers

from opengpts.bodies import Id, Name
from threads.message_input import Changes
from threads.models import Thread


class ThreadBody(BaseModel):
    """What a client sends to create or replace a thread."""

    name: Name
    assistant_id: Id


class StateBody(BaseModel):
    """Messages to append to a thread's state; one with a known id replaces the message of that id.

    `config.configurable.checkpoint_id` names a checkpoint of the thread to append to instead of the newest: a new
    branch begins there. The rest of `config` is accepted for the original's clients. What it says about the thread or
    the user is not heeded: those come from the address and the identity.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"values": [{"type": "human", "content": "hi! my name is bob"}]}]}
    )

    values: Changes
    config: dict[str, Any] | None = None


class ThreadSerializer(serializers.ModelSerializer[Thread]):
    """What a client is shown of a thread. `assistant_id` is null when the assistant has been deleted."""

    thread_id = serializers.UUIDField(source="id", read_only=True)
    user_id = serializers.CharField(source="owner.username", read_only=True)
    assistant_id = serializers.UUIDField(read_only=True, allow_null=True)
    metadata = serializers.DictField(read_only=True, allow_null=True)

    class Meta:
        model = Thread
        fields = ["thread_id", "user_id", "assistant_id", "name", "updated_at", "metadata"]
        read_only_fields = fields


class ThreadState(BaseModel):
    """A thread's messages, under `messages` where its assistant is a RAGBot, and the nodes that would run next."""

    values: list[dict[str, Any]] | dict[str, list[dict[str, Any]]]
    next: list[str]


class HistoryEntry(ThreadState):
    """One state of a thread's past, with the configs that name it and the one before it."""

    config: dict[str, dict[str, str]]
    parent: dict[str, dict[str, str]] | None


class Branch(BaseModel):
    """The way from a thread's first checkpoint to one that nothing goes on from.

    `fork` is the checkpoint where it leaves the newer branch that it shares most with, null where there is none;
    `current` is the branch that the thread stands on. `messages` says how many there are.
    """

    checkpoint_id: str
    fork: str | None
    current: bool
    created_at: datetime
    messages: int
    last_message: dict[str, Any] | None
    next: list[str]
    config: dict[str, dict[str, str]]


class ThreadBranches(RootModel[list[Branch]]):
    """The branches of a thread, newest first."""


class ThreadHistory(RootModel[list[HistoryEntry]]):
    """The states of a thread's past, newest first."""
