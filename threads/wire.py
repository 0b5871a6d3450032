"""States and histories as JSON text. The messages are spliced in as they are stored, never parsed."""

import json
from collections.abc import Sequence

from threads.models import Thread
from threads.state import HistoryEntry, State


def encode_values(messages: Sequence[str], assistant_type: str) -> str:
    """A state's messages in the shape of its assistant: a list, or under `messages` for chat_retrieval."""
    listed = f"[{','.join(messages)}]"
    return f'{{"messages":{listed}}}' if assistant_type == "chat_retrieval" else listed


def encode_state(state: State, assistant_type: str) -> str:
    """What `GET /threads/{id}/state` answers."""
    return f'{{"values":{encode_values(state.messages, assistant_type)},"next":{_dumps(state.next)}}}'


def encode_history(entries: Sequence[HistoryEntry], thread: Thread, assistant_type: str) -> str:
    """What `GET /threads/{id}/history` answers."""
    return f"[{','.join(_encode_entry(entry, thread, assistant_type) for entry in entries)}]"


def _encode_entry(entry: HistoryEntry, thread: Thread, assistant_type: str) -> str:
    config = _dumps(_config(thread, entry.checkpoint_id))
    parent = _dumps(_config(thread, entry.parent_checkpoint_id) if entry.parent_checkpoint_id else None)
    values = encode_values(entry.messages, assistant_type)
    return f'{{"values":{values},"next":{_dumps(entry.next)},"config":{config},"parent":{parent}}}'


def _config(thread: Thread, checkpoint_id: str) -> dict[str, dict[str, str]]:
    return {"configurable": {"thread_id": str(thread.pk), "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
