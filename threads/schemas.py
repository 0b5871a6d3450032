"""The shape of threads on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel
from rest_framework import serializers

from opengpts.bodies import Name
from threads.models import Thread


class ThreadBody(BaseModel):
    """What a client sends to create or replace a thread."""

    name: Name
    assistant_id: str


class StateBody(BaseModel):
    """Messages to append to a thread's state; one with a known id replaces the message of that id.

    `config` is accepted for the original's clients. What it says about the thread or the user is not heeded:
    those come from the address and the identity.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"values": [{"type": "human", "content": "hi! my name is bob"}]}]}
    )

    values: list[Any] | dict[str, Any]
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


class ThreadHistory(RootModel[list[HistoryEntry]]):
    """The states of a thread's past, newest first."""
