"""Doing one run: build its graph, stream it, and tell the event log what happens."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from langchain_core.messages import BaseMessage
from langgraph.errors import GraphRecursionError

from agents.config import AgentConfig, configurable_of, parse_config
from agents.graphs import graph_for
from agents.model_errors import explain
from opengpts.db import in_database_thread
from opengpts.errors import INTERNAL_ERROR, BadRequest, OpenGPTsError
from runs.event_log import MemoryEventLog
from runs.models import Run, RunStatus
from runs.services import MAX_ATTEMPTS, finish_run, keep_input, requeue_run, writer_of
from runs.translation import Translator
from threads.message_codec import from_wire
from threads.models import Checkpoint, Thread
from threads.saver import DjangoSaver
from threads.state import read_state

logger = logging.getLogger(__name__)

# Steps of the graph, as the original allows.
RECURSION_LIMIT = 50

LIFECYCLE_OF = {
    RunStatus.SUCCESS: "completed",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.ERROR: "failed",
}


async def execute(run: Run, log: MemoryEventLog) -> None:
    """Do a run that is marked running, to its end; the row and the log then say how it ended.

    Cancelled (the server is stopping), it goes back into the queue and on from its last checkpoint later.
    """

    def emit(method: str, data: dict[str, Any]) -> None:
        log.append(run.thread_id, run.pk, method, data)

    error: OpenGPTsError | None = None
    status = RunStatus.SUCCESS
    emit("lifecycle", {"event": "running"})
    try:
        async for method, data in _events(run):
            if method == "input.requested":
                status = RunStatus.INTERRUPTED
            else:
                emit(method, data)
    except asyncio.CancelledError:
        # Where it was deleted, or another process has it, there is nothing to put back, and its readers find out.
        await asyncio.shield(in_database_thread(requeue_run, run=run))
        raise
    except Exception as exc:
        if isinstance(exc, InterfaceError | OperationalError) and run.attempts < MAX_ATTEMPTS:
            logger.warning("run %s waits for the database: %s", run.pk, exc)
            await _requeue(run)
            return
        error = _tell(exc, run)
        status = RunStatus.ERROR
    await in_database_thread(finish_run, run=run, status=status, error=error)
    emit("lifecycle", {"event": LIFECYCLE_OF[status], **(_as_event(error) if error else {})})


async def _requeue(run: Run) -> None:
    """Put a run back that the database failed, as soon as it answers: to go on from its last checkpoint."""
    while True:
        try:
            await in_database_thread(requeue_run, run=run)
        except (InterfaceError, OperationalError):
            await asyncio.sleep(settings.RUN_HEARTBEAT)
        else:
            return


async def _events(run: Run) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    try:
        graph = graph_for(_agent_config(run))
    except OpenGPTsError:
        await in_database_thread(keep_input, run=run)
        raise
    messages, graph_input, start = await in_database_thread(_begin, run)
    translator = Translator()
    if messages:
        yield translator.input(messages)
    if not start:
        return
    stream = graph.copy(update={"checkpointer": DjangoSaver(writer=writer_of(run=run))}).astream(
        graph_input,
        {
            "configurable": {"thread_id": str(run.thread_id), "checkpoint_ns": ""},
            "metadata": {"run_id": str(run.pk)},
            "recursion_limit": RECURSION_LIMIT,
        },
        stream_mode=["messages", "updates"],
    )
    async for mode, payload in stream:
        if mode == "updates" and "__interrupt__" in payload:
            yield "input.requested", {}
            continue
        for event in translator.translate(mode, payload):
            yield event


def _agent_config(run: Run) -> AgentConfig:
    if run.assistant is None:
        raise BadRequest("Thread has no assistant")
    return parse_config({"configurable": {**configurable_of(run.assistant.config), **configurable_of(run.config)}})


def _begin(run: Run) -> tuple[list[BaseMessage], dict[str, list[BaseMessage]] | None, bool]:
    """The run's input, what to give the graph, and whether there is anything to do.

    The graph is given None to go on with the steps that are pending. A run that was begun before its process died
    goes on that way, since its input is in the thread already.
    """
    messages = [from_wire(message) for message in run.input or []]
    begun = run.attempts > 1 and Checkpoint.objects.filter(run_id=str(run.pk), thread=run.thread).exists()
    if run.input is not None and not begun:
        return messages, {"messages": messages}, True
    return messages, *_go_on(run.thread, begun=begun)


def _go_on(thread: Thread, *, begun: bool) -> tuple[dict[str, list[BaseMessage]] | None, bool]:
    state = read_state(thread=thread)
    if state.next:
        return None, True
    if not state.messages:
        raise BadRequest("There is nothing to go on from: the thread is empty. Send a message.")
    answered = json.loads(state.messages[-1])["type"] == "ai"
    if answered or begun:
        return None, False
    return {"messages": []}, True


def _as_event(error: OpenGPTsError) -> dict[str, Any]:
    return {"error": error.message, "code": error.code}


def _tell(exc: Exception, run: Run) -> OpenGPTsError:
    if isinstance(exc, GraphRecursionError):
        return OpenGPTsError(f"The run was stopped after {RECURSION_LIMIT} steps.", code="recursion_limit")
    if explained := explain(exc):
        logger.warning("run %s failed: %s", run.pk, explained.message)
        return explained
    logger.error("run %s failed", run.pk, exc_info=exc)
    return OpenGPTsError(INTERNAL_ERROR)
