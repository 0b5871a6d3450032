"""Doing one run: build its graph, stream it, and tell the event log what happens."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from langgraph.errors import GraphRecursionError

from agents.config import AgentConfig, configurable_of, parse_config
from agents.graphs import open_graph
from agents.language_models.catalogue import resolve
from agents.language_models.metering import UsageMeter
from agents.language_models.model_entry import ModelEntry
from agents.language_models.model_errors import explain
from agents.language_models.usage import Spending
from agents.retrieval import RunContext
from knowledge.retriever import DocumentRetriever
from knowledge.search import Scope
from opengpts.db import in_database_thread
from opengpts.errors import INTERNAL_ERROR, BadRequest, OpenGPTsError
from runs.beginning import NothingToDo, begin
from runs.event_log import MemoryEventLog
from runs.models import Run, RunStatus
from runs.services import MAX_ATTEMPTS, finish_run, keep_input, requeue_run, writer_of
from runs.translation import Translator
from threads.saver import DjangoSaver

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
    meter = UsageMeter()
    emit("lifecycle", {"event": "running"})
    try:
        async for method, data in _events(run, meter):
            if method == "input.requested":
                status = RunStatus.INTERRUPTED
            emit(method, data)
    except asyncio.CancelledError:
        # Where it was deleted, or another process has it, there is nothing to put back, and its readers find out.
        await asyncio.shield(in_database_thread(requeue_run, run=run, spent=meter.spending()))
        raise
    except Exception as exc:
        if isinstance(exc, InterfaceError | OperationalError) and run.attempts < MAX_ATTEMPTS:
            logger.warning("run %s waits for the database: %s", run.pk, exc)
            await _requeue(run, meter.spending())
            return
        error = _tell(exc, run, meter.entry)
        status = RunStatus.ERROR
    await in_database_thread(finish_run, run=run, status=status, error=error, spent=meter.spending())
    emit("lifecycle", {"event": LIFECYCLE_OF[status], **(_as_event(error) if error else {})})


async def _requeue(run: Run, spent: Spending | None) -> None:
    """Put a run back that the database failed, as soon as it answers: to go on from its last checkpoint."""
    while True:
        try:
            await in_database_thread(requeue_run, run=run, spent=spent)
        except (InterfaceError, OperationalError):
            await asyncio.sleep(settings.RUN_HEARTBEAT)
        else:
            return


async def _events(run: Run, meter: UsageMeter) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    try:
        config, entry, scope = await in_database_thread(_assistant_of, run)
        meter.entry = entry
        graph = await open_graph(config, entry)
    except OpenGPTsError:
        await in_database_thread(keep_input, run=run)
        raise
    messages, graph_input = await in_database_thread(begin, run, graph.nodes.keys())
    translator = Translator()
    if messages:
        yield translator.input(messages)
    if isinstance(graph_input, NothingToDo):
        return
    stream = graph.copy(update={"checkpointer": DjangoSaver(writer=writer_of(run=run))}).astream(
        graph_input,
        {
            "configurable": {"thread_id": str(run.thread_id), "checkpoint_ns": ""},
            "metadata": {"run_id": str(run.pk)},
            "recursion_limit": RECURSION_LIMIT,
            "callbacks": [meter],
        },
        stream_mode=["messages", "updates"],
        context=RunContext(DocumentRetriever(scope)),
    )
    async for mode, payload in stream:
        for event in translator.translate(mode, payload):
            yield event


def _assistant_of(run: Run) -> tuple[AgentConfig, ModelEntry, Scope]:
    """What to run, with which model, and what it may search."""
    if run.assistant is None:
        raise BadRequest("Thread has no assistant")
    config = parse_config({"configurable": {**configurable_of(run.assistant.config), **configurable_of(run.config)}})
    # Somebody else's assistant tells of its documents only where its owner let it: not because a run's own config says
    # that it should.
    shared = run.assistant.owner_id == run.owner_id or parse_config(run.assistant.config).searches
    scope = Scope(assistant_id=run.assistant_id if shared else None, thread_id=run.thread_id)
    return config, resolve(config.model), scope


def _as_event(error: OpenGPTsError) -> dict[str, Any]:
    return {"error": error.message, "code": error.code}


def _tell(exc: Exception, run: Run, entry: ModelEntry | None) -> OpenGPTsError:
    if isinstance(exc, GraphRecursionError):
        return OpenGPTsError(f"The run was stopped after {RECURSION_LIMIT} steps.", code="recursion_limit")
    if explained := explain(exc, entry):
        logger.warning("run %s failed: %s", run.pk, explained.message)
        return explained
    logger.error("run %s failed", run.pk, exc_info=exc)
    return OpenGPTsError(INTERNAL_ERROR)
