"""Starting runs."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from agents.config_secrets.sealing import Sealed
from assistants.config_checking import check_and_seal, may_keep
from assistants.models import Assistant
from opengpts.errors import BadRequest, Conflict, RateLimited
from opengpts.lookup import find, referring_to
from quotas.allowances import allowance_of
from quotas.ledger import charge_run
from quotas.storage import check_storage
from runs.cancellation import cancel_unfinished
from runs.decisions import decisions_on
from runs.executors import executor
from runs.models import CancelAction, Run, RunStatus
from runs.schemas import RunBody, RunConfig
from threads.checkpoints import UnknownCheckpoint, checkpoint_named_in
from threads.message_input import parse_messages
from threads.models import Thread
from threads.rows import lock_thread, refuse_full
from threads.state import has_checkpoint
from threads.storage import bytes_of_wire
from threads.transactions import fetch

# Set by the server, whatever a client sends.
PROTECTED_KEYS = {"thread_id", "user_id", "assistant_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"}
# Seconds after which a client that was refused for its many runs may ask again.
RETRY_AFTER = 5

# Written out: the ORM takes two milliseconds to put it together, for every run.
_WAITING = (
    "SELECT COUNT(CASE WHEN owner_id = %s THEN 1 END), COUNT(*)"  # nosec B608  # names of ours; values are parameters
    f""" FROM "{Run._meta.db_table}" WHERE status = '{RunStatus.PENDING}'"""
)


def create_run(*, owner: User, body: RunBody, awaited: bool = False, stored: Sequence[Sealed] | None = None) -> Run:
    """A pending run of `owner`'s, behind the others of its thread or in their place, as `multitask_strategy` says.

    `awaited`: who asks for it will subscribe to its events only then, and wants to be told how it ends. `stored`: what
    `***` in the body's config stands for, where that is not the secrets of an assistant of `owner`'s own.

    Raises `NotFound` for a thread that is not theirs, an assistant they cannot see, or a checkpoint that the thread
    does not have; `BadRequest` where neither the body nor the thread has an assistant; `Invalid` for input or config
    of the wrong shape, or decisions that do not fit the tool calls that wait; `Conflict` where none do, where the
    thread is full, or where another run of the thread has not ended and the strategy is `reject`; `RateLimited` where
    too many runs wait; `QuotaExceeded` where the owner may begin no more today, or store no more. They pay, whosever
    the assistant is.
    """
    thread = find(Thread.objects.owned_by(owner).select_related("assistant"), body.thread_id, what="Thread")
    assistant = _assistant_for(owner, thread, body.assistant_id)
    messages = None if body.input is None else parse_messages(body.input, "body", "input", removals=False)
    overrides = {"configurable": _overrides(body.config)}
    sealed = check_and_seal(
        overrides, "body", "config", owner=owner, stored=may_keep(owner, assistant) if stored is None else stored
    )
    checkpoint_id = _fork(thread, body.config)
    allowance = allowance_of(owner)
    check_storage(user=owner, allowance=allowance, adding=bytes_of_wire(messages) if messages else 0)
    with referring_to("Thread"):
        refuse_full(lock_thread(thread.pk), len(messages or []))
        _make_room(thread, body)
        # Last, for those in whose place this one comes wait no more.
        _refuse_too_many(owner)
        run = Run(
            thread=thread,
            assistant=assistant,
            owner=owner,
            input=messages,
            config=sealed.config,
            secrets=sealed.secrets,
            checkpoint_id=checkpoint_id or "",
            awaited=awaited,
            resume=decisions_on(thread, body.command, checkpoint_id) if messages is None else None,
        )
        # After the thread is locked, and as late as can be: the owner's other runs wait to be counted meanwhile.
        charge_run(user=owner, allowance=allowance)
        executor().submit(run)
        transaction.on_commit(executor().wake)
    return run


def _assistant_for(owner: User, thread: Thread, named: str | None) -> Assistant:
    """The assistant that is named, or the thread's."""
    own = thread.assistant
    if named is None and own is None:
        raise BadRequest("Thread has no assistant")
    if own is not None and named in (None, str(own.pk)) and own.is_visible_to(owner):
        return own
    return find(
        Assistant.objects.visible_to(owner), str(thread.assistant_id) if named is None else named, what="Assistant"
    )


def _overrides(config: RunConfig | None) -> dict[str, Any]:
    configurable = (config and config.configurable) or {}
    return {key: value for key, value in configurable.items() if key not in PROTECTED_KEYS}


def _fork(thread: Thread, config: RunConfig | None) -> str | None:
    """The checkpoint to begin from, where the config names one."""
    checkpoint_id = checkpoint_named_in(config.model_dump() if config else None, "body", "config")
    if checkpoint_id is not None and not has_checkpoint(thread=thread, checkpoint_id=checkpoint_id):
        raise UnknownCheckpoint
    return checkpoint_id


def _make_room(thread: Thread, body: RunBody) -> None:
    """Do with the thread's unfinished runs what the new one asks for."""
    strategy = body.multitask_strategy
    if strategy == "enqueue":
        return
    unfinished = Run.objects.unfinished().filter(thread=thread)
    if strategy != "reject":
        cancel_unfinished(thread.pk, unfinished, action=CancelAction(strategy))
    elif unfinished.exists():
        raise Conflict("Another run of this thread has not ended.")


def _refuse_too_many(owner: User) -> None:
    [(theirs, every)] = fetch(_WAITING, [owner.pk])
    if theirs >= settings.RUNS_QUEUED_PER_USER:
        raise RateLimited(f"{theirs} of your runs wait already, as many as may.", retry_after=RETRY_AFTER)
    if every >= settings.RUNS_QUEUED:
        raise RateLimited("The server has as many runs waiting as it takes.", retry_after=RETRY_AFTER)
