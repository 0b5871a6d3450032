"""The commands of the Agent Streaming Protocol that are about a thread and its runs, over HTTP and WebSocket alike.

Each is checked anew against who asks, and does one thing by a service. Those about a connection's own subscriptions
are `runs.streaming.websocket`'s.
"""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from pydantic import BaseModel

from accounts.models import User
from agents.config import assistant_type
from opengpts.auth import ANY_KEY, PEOPLE, Need, Scope
from opengpts.error_responses import as_client_error
from opengpts.errors import Conflict, NotFound
from opengpts.lookup import find, parse_id, referring_to
from runs.cancellation import cancel_run
from runs.models import LIFECYCLE_OF, Run, RunStatus
from runs.schemas import RunBody, RunConfig
from runs.services import create_run
from runs.streaming.command_frames import Command, CommandFailed, read_params
from runs.streaming.params import (
    AgentGetTree,
    InputInject,
    InputRespond,
    RunCancel,
    RunStart,
    StateFork,
    StateGet,
    StateListCheckpoints,
)
from runs.streaming.positions import read_numbers
from threads.checkpoints import checkpoints_of
from threads.interrupts import find_interrupt
from threads.message_input import parse_messages
from threads.models import Checkpoint, Thread
from threads.services import post_state, put_thread
from threads.state import has_checkpoint, read_state

logger = logging.getLogger(__name__)

SUBSCRIPTIONS = ("subscription.subscribe", "subscription.unsubscribe", "subscription.reconnect")
# The protocol's words for what is wrong, by ours. What is not here is called by our own.
CODES = {
    "bad_request": "invalid_argument",
    "not_found": "invalid_argument",
    "invalid_config": "invalid_argument",
    "too_large": "invalid_argument",
    "internal_error": "unknown_error",
}
STATUSES = {
    RunStatus.PENDING: "started",
    RunStatus.RUNNING: "running",
    **LIFECYCLE_OF,
}
NAME_LENGTH = 80


def perform(user: User, thread_id: str, command: Command) -> dict[str, Any]:
    """Do a command of `user`'s about a thread. Returns the protocol's `CommandResponse`.

    Raises `CommandFailed`.
    """
    if command.method in SUBSCRIPTIONS:
        raise CommandFailed("not_supported", "Subscriptions are for WebSocket; over HTTP a stream is one.")
    thread = _thread_id(thread_id)
    if command.method not in HANDLERS:
        raise CommandFailed("unknown_command", f"There is no command {command.method}.")
    model, handle = HANDLERS[command.method]
    try:
        response = handle(user, thread, read_params(model, command.params))
    except CommandFailed:
        raise
    except Exception as exc:
        error = as_client_error(exc)
        if error.code == "internal_error":
            logger.error("unhandled error in %s", command.method, exc_info=exc)
        raise CommandFailed(CODES.get(error.code, error.code), error.message, error) from exc
    return {"type": "success", "id": command.id, **response}


def _thread_id(text: str) -> uuid.UUID:
    """Raises `CommandFailed` for what is no id, as for that of a thread which is not theirs."""
    try:
        return parse_id(text, what="Thread")
    except NotFound as exc:
        raise CommandFailed("permission_denied", exc.message, exc) from exc


def own_thread(user: User, thread_id: uuid.UUID) -> Thread:
    """`user`'s thread. Raises `CommandFailed`: nothing tells another's from one that is not."""
    thread = Thread.objects.owned_by(user).select_related("assistant").filter(pk=thread_id).first()
    if thread is None:
        raise _not_theirs()
    return thread


def _not_theirs() -> CommandFailed:
    return CommandFailed("permission_denied", "Thread not found", NotFound("Thread not found"))


def _run_start(user: User, thread_id: uuid.UUID, params: RunStart) -> dict[str, Any]:
    """Start a run, on a thread that is made with the first one. An interrupt is answered by its decisions as input."""
    if Thread.objects.of_others(user).filter(pk=thread_id).exists():
        raise _not_theirs()
    if Thread.objects.owned_by(user).filter(pk=thread_id).exists():
        return _start_as_told(user, thread_id, params)
    # Both or neither: a run that is refused leaves no thread behind.
    with referring_to("Assistant"):
        put_thread(owner=user, thread_id=thread_id, name=_name_of(params.input), assistant_id=params.assistant_id)
        return _start_as_told(user, thread_id, params)


def _name_of(value: Any) -> str:
    """What a thread is called that begins with this input."""
    messages = parse_messages(value, "params", "input", removals=False) if value else []
    first = next((text for m in messages if isinstance(text := m["content"], str) and text.strip()), "New thread")
    return " ".join(first.split())[:NAME_LENGTH]


def _start_as_told(user: User, thread_id: uuid.UUID, params: RunStart) -> dict[str, Any]:
    answer = params.input if isinstance(params.input, dict) and params.input.keys() == {"decisions"} else None
    return _start(
        user,
        thread_id,
        {
            "assistant_id": params.assistant_id,
            **({"command": {"resume": answer}} if answer else {"input": params.input}),
            "config": params.config,
            "multitask_strategy": params.multitask_strategy or "enqueue",
        },
        awaited=True,
    )


def _start(user: User, thread_id: uuid.UUID, body: dict[str, Any], *, awaited: bool = False) -> dict[str, Any]:
    numbers = read_numbers(thread_id)
    run = create_run(owner=user, body=read_params(RunBody, {"thread_id": str(thread_id), **body}), awaited=awaited)
    # While others go on nobody can say which of their events this client knows.
    meta = {"meta": {"applied_through_seq": numbers.last}} if numbers.begun is None else {}
    return {"result": {"run_id": str(run.pk)}, **meta}


def _run_cancel(user: User, thread_id: uuid.UUID, params: RunCancel) -> dict[str, Any]:
    run = _own_run(user, thread_id, params.run_id)
    run = cancel_run(owner=user, run_id=str(run.pk), action=params.action)
    return {"result": {"run_id": str(run.pk), "status": run.status}}


def _own_run(user: User, thread_id: uuid.UUID, run_id: str) -> Run:
    own_thread(user, thread_id)
    runs: QuerySet[Run] = Run.objects.owned_by(user).filter(thread=thread_id)
    try:
        return find(runs, run_id, what="Run")
    except NotFound as exc:
        raise CommandFailed("no_such_run", exc.message, exc) from exc


def _input_respond(user: User, thread_id: uuid.UUID, params: InputRespond) -> dict[str, Any]:
    """Answer an interrupt: a run goes on with the decisions on its tool calls."""
    thread = own_thread(user, thread_id)
    if params.update is not None or params.goto is not None:
        raise CommandFailed("not_supported", "update and goto cannot be given with an answer.")
    answers = params.answers()
    if len(answers) != 1:
        raise CommandFailed("invalid_argument", "A thread has one interrupt at a time: give one answer.")
    interrupt_id, response = answers[0]
    if find_interrupt(thread, interrupt_id) is None:
        raise CommandFailed("no_such_interrupt", "Nothing waits for an answer under this id.")
    runs = Run.objects.owned_by(user).filter(thread=thread).order_by("-created_at")
    last = runs.values_list("assistant_id", flat=True).first()
    return _start(
        user,
        thread_id,
        {
            "assistant_id": str(last or thread.assistant_id),
            "command": {"resume": response},
            "config": params.config,
        },
    )


def _input_inject(user: User, thread_id: uuid.UUID, params: InputInject) -> dict[str, Any]:
    """Say something without being asked: the thread's next run answers it, where one goes on; else it is kept."""
    thread = own_thread(user, thread_id)
    message = params.message.model_dump(exclude_none=True)
    if Run.objects.owned_by(user).unfinished().filter(thread=thread).exists():
        return _start(user, thread_id, {"input": [message]})
    try:
        post_state(owner=user, thread=thread, messages=parse_messages([message], "params", "message"))
    except Conflict:
        # A run has begun since.
        return _start(user, thread_id, {"input": [message]})
    return {"result": {}}


def _state_get(user: User, thread_id: uuid.UUID, params: StateGet) -> dict[str, Any]:
    thread = own_thread(user, thread_id)
    _root(params.namespace)
    state = read_state(thread=thread)
    values: dict[str, Any] = {"messages": [json.loads(message) for message in state.messages]}
    if params.keys is not None:
        values = {key: value for key, value in values.items() if key in params.keys}
    checkpoint = {"checkpoint": {"id": state.checkpoint_id}} if state.checkpoint_id else {}
    return {"result": {"values": values, **checkpoint, "next": state.next}}


def _state_list(user: User, thread_id: uuid.UUID, params: StateListCheckpoints) -> dict[str, Any]:
    thread = own_thread(user, thread_id)
    _root(params.namespace)
    rows = checkpoints_of(thread.pk)
    if params.before is not None:
        rows = rows.filter(checkpoint_id__lt=params.before)
    summaries = [_summary(row) for row in rows.defer("values", "data", "messages")[: params.limit]]
    return {"result": {"checkpoints": summaries}}


def _summary(row: Checkpoint) -> dict[str, Any]:
    parent = {"parent_id": row.parent_checkpoint_id} if row.parent_checkpoint_id else {}
    about = {"id": row.checkpoint_id, "timestamp": row.created_at.isoformat(), "step": row.step, **parent}
    return {**about, "source": row.source, "metadata": {"run_id": row.run_id} if row.run_id else {}}


def _state_fork(user: User, thread_id: uuid.UUID, params: StateFork) -> dict[str, Any]:
    """Start a run from a state of the thread's past."""
    thread = own_thread(user, thread_id)
    if not has_checkpoint(thread=thread, checkpoint_id=params.checkpoint_id):
        raise CommandFailed("no_such_checkpoint", "This thread has no such checkpoint.")
    configurable = {**((params.config and params.config.configurable) or {}), "checkpoint_id": params.checkpoint_id}
    started = _start(user, thread_id, {"input": params.input, "config": RunConfig(configurable=configurable)})
    return {**started, "result": {**started["result"], "thread_id": str(thread_id)}}


def _agent_tree(user: User, thread_id: uuid.UUID, params: AgentGetTree) -> dict[str, Any]:
    """The graphs of a run: one, for ours have none inside."""
    thread = own_thread(user, thread_id)
    if params.run_id is not None:
        run: Run | None = _own_run(user, thread_id, params.run_id)
    else:
        run = Run.objects.owned_by(user).filter(thread=thread).order_by("-created_at").first()
    if run is None:
        raise CommandFailed("no_such_run", "This thread has had no run yet.")
    assistant = run.assistant or thread.assistant
    about = {"run_id": str(run.pk), **({"assistant_id": str(assistant.pk)} if assistant else {})}
    graph_name = assistant_type(assistant.config) if assistant else "agent"
    tree = {"namespace": [], "status": STATUSES[RunStatus(run.status)], "graph_name": graph_name, "metadata": about}
    return {"result": {"tree": tree}}


def _root(namespace: list[str] | None) -> None:
    if namespace:
        raise CommandFailed("no_such_namespace", "This graph has no graphs inside.")


HANDLERS: dict[str, tuple[type[BaseModel], Callable[[User, uuid.UUID, Any], dict[str, Any]]]] = {
    "run.start": (RunStart, _run_start),
    "run.cancel": (RunCancel, _run_cancel),
    "input.respond": (InputRespond, _input_respond),
    "input.inject": (InputInject, _input_inject),
    "state.get": (StateGet, _state_get),
    "state.listCheckpoints": (StateListCheckpoints, _state_list),
    "state.fork": (StateFork, _state_fork),
    "agent.getTree": (AgentGetTree, _agent_tree),
}
# What each needs of an API key. One that does not stand here is for people.
NEEDS: dict[str, Need] = {
    "run.start": Scope.RUN,
    "run.cancel": Scope.RUN,
    "input.respond": Scope.RUN,
    "input.inject": Scope.RUN,
    "state.get": Scope.READ,
    "state.listCheckpoints": Scope.READ,
    "state.fork": Scope.RUN,
    "agent.getTree": Scope.READ,
    **dict.fromkeys(SUBSCRIPTIONS, Scope.READ),
}


def need_of(command: Command) -> Need:
    """What a command needs of an API key. That there is no such command, any may be told."""
    known = command.method in HANDLERS or command.method in SUBSCRIPTIONS
    return NEEDS.get(command.method, PEOPLE) if known else ANY_KEY
