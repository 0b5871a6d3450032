"""States and histories as JSON text. The messages are spliced in as they are stored, never parsed."""

import json
from collections.abc import Sequence

from threads.branches import Branch
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


def encode_branches(branches: Sequence[Branch], thread: Thread) -> str:
    """What `GET /threads/{id}/branches` answers."""
    return f"[{','.join(_encode_branch(branch, thread) for branch in branches)}]"


def _encode_branch(branch: Branch, thread: Thread) -> str:
    created_at = branch.created_at.isoformat().replace("+00:00", "Z")
    return (
        f'{{"checkpoint_id":{_dumps(branch.checkpoint_id)},"fork":{_dumps(branch.fork)}'
        f',"current":{_dumps(branch.current)},"created_at":{_dumps(created_at)},"messages":{branch.messages}'
        f',"last_message":{branch.last_message or "null"},"next":{_dumps(branch.next)}'
        f',"config":{_dumps(_config(thread, branch.checkpoint_id))}}}'
    )


def _config(thread: Thread, checkpoint_id: str) -> dict[str, dict[str, str]]:
    return {"configurable": {"thread_id": str(thread.pk), "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
