"""Writing threads. Their messages are written by `threads.state` and by runs."""

import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from agents.config import configurable_of
from assistants.models import Assistant
from audit.services import record_deletion, record_put
from opengpts.errors import Conflict
from opengpts.lookup import find, referring_to
from opengpts.ownership import put_owned, refuse_beyond
from quotas.allowances import allowance_of
from quotas.storage import check_storage
from threads.models import Thread
from threads.rows import lock_thread, refuse_full
from threads.state import append_messages
from threads.storage import bytes_of_wire


def create_thread(*, owner: User, name: str, assistant_id: str) -> Thread:
    """A new thread of `owner`'s with an assistant.

    Raises `NotFound` for an assistant they cannot see, `Conflict` for one thread too many.
    """
    with referring_to("Assistant"):
        refuse_beyond(settings.THREADS_PER_USER, Thread.objects.owned_by(owner), owner=owner)
        thread = Thread.objects.create(owner=owner, **_fields(owner, name, assistant_id))
        record_put(target=thread, owner=owner, made=True, changed=())
    return thread


def put_thread(*, owner: User, thread_id: uuid.UUID, name: str, assistant_id: str) -> Thread:
    """`owner`'s thread under that id, changed or made; its messages stay.

    Raises `NotFound` where the id is somebody else's, or the assistant is none they can see; `Conflict` for one
    thread too many.
    """
    mine = Thread.objects.owned_by(owner)
    fields = _fields(owner, name, assistant_id)
    with transaction.atomic():
        before = mine.select_for_update(no_key=True).filter(pk=thread_id).values("name", "assistant_id").first()
        thread, made = put_owned(
            mine,
            thread_id,
            owner=owner,
            most=settings.THREADS_PER_USER,
            missing="Thread not found",
            updated_at=timezone.now(),
            **fields,
        )
        changed = [key for key in ("name", "assistant_id") if before is None or before[key] != fields[key]]
        record_put(target=thread, owner=owner, made=made, changed=changed)
    return thread


def delete_thread(*, owner: User, thread_id: uuid.UUID) -> None:
    """Delete `owner`'s thread with all that is in it. Deleting what is not there, or not theirs, changes nothing."""
    with transaction.atomic():
        mine = Thread.objects.owned_by(owner).filter(pk=thread_id)
        # Before its rows: whoever writes into it has finished then, or finds it gone. Not `lock_thread`'s kind of
        # lock, which lets rows that refer to the thread be made.
        if (thread := mine.select_for_update().first()) is not None:
            record_deletion(target=thread, owner=owner)
            mine.delete()


def _fields(owner: User, name: str, assistant_id: str) -> dict[str, Any]:
    assistant = find(Assistant.objects.visible_to(owner), assistant_id, what="Assistant")
    kind = configurable_of(assistant.config).get("type", "chatbot")
    # "chatbot" where the config is silent is the original's word, though such an assistant runs as an agent.
    return {"name": name, "assistant_id": assistant.pk, "metadata": {"assistant_type": kind}}


def post_state(
    *, owner: User, thread: Thread, messages: list[dict[str, Any]], checkpoint_id: str | None = None
) -> None:
    """Append messages, in the API's form, to the state of an idle thread of `owner`'s; those of known ids are replaced.

    With `checkpoint_id` it is the state at that checkpoint (see `append_messages`). Raises `UnknownCheckpoint`;
    `Conflict` where the thread is full, and while a run goes on in it: it would not see them, and its next state would
    lack them; and `QuotaExceeded` where its owner may store no more.
    """
    check_storage(user=owner, allowance=allowance_of(owner), adding=bytes_of_wire(messages))
    with transaction.atomic():
        refuse_full(lock_thread(thread.pk), len(messages))
        # A run that waits after an attempt has steps left in the state, which its next attempt goes on with.
        if thread.runs.filter(Q(status="running") | Q(status="pending", attempts__gt=0)).exists():
            raise Conflict("A run is going on in this thread. Wait for its end, or send the messages with a run.")
        append_messages(thread=thread, messages=messages, checkpoint_id=checkpoint_id)
