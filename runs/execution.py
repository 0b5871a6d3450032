"""Doing one run: build its graph, stream it, and tell the event log what happens."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError
from langgraph.errors import GraphRecursionError
from langgraph.graph.state import CompiledStateGraph

from agents.earlier import EarlierNeeded
from agents.graphs import open_graph
from agents.language_models.metering import UsageMeter
from agents.language_models.model_entry import ModelEntry
from agents.language_models.model_errors import explain
from agents.language_models.pacing import in_hand
from agents.reach import IsEnough, reach_of
from agents.retrieval import RunContext
from knowledge.retriever import DocumentRetriever
from opengpts.db import in_database_thread
from opengpts.errors import INTERNAL_ERROR, OpenGPTsError
from runs.announcing_saver import AnnouncingSaver
from runs.beginning import NothingToDo, begin
from runs.claiming import EVENT_LEASE
from runs.ending import (
    Ended,
    correct_numbers,
    finish_cancelled_run,
    finish_run,
    requeue_run,
    writer_of,
)
from runs.errors import BEGUN_AGAIN, CANCELLED, MAX_ATTEMPTS
from runs.event_log import Event, EventLog, LogUnavailable
from runs.ingredients import ingredients_of
from runs.log_writer import LogWriter
from runs.models import LIFECYCLE_OF, Run, RunStatus
from runs.tool_watch import ToolWatch
from runs.translation import STREAM_MODES, Translator
from threads.images import keep_in_thread
from threads.message_codec import from_wire

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Graph = CompiledStateGraph[Any, Any, Any, Any]

# Steps of the graph, as the original allows.
RECURSION_LIMIT = 50

# The last events of every run: what the thread's values are, and how it ended.
END_EVENTS = 2
# Entries at the log's end among which an attempt looks for what the one before it has left open.
LOOKED_AT = 50

DatabaseAway = (InterfaceError, OperationalError)


async def execute(run: Run, log: EventLog) -> None:
    """Do a run that is marked running, to its end; the row and the log then say how it ended.

    Cancelled, it ends as cancelled where somebody asked for that. Otherwise the server is stopping: it goes back into
    the queue, and on from its last checkpoint later.
    """
    await _Execution(run, log).do()


class _Execution:
    """One attempt at a run."""

    def __init__(self, run: Run, log: EventLog) -> None:
        self._run, self._log = run, log
        self._translator = Translator(str(run.pk))
        self._meter = UsageMeter()
        # The highest number that an event of the thread had before.
        self._floor = run.thread.event_seq - EVENT_LEASE
        translator = self._translator
        self._writer = LogWriter(
            log, run, floor=self._floor, restate=translator.restate, written=translator.forget_ended
        )
        # The newest checkpoint that was told of.
        self._checkpoint_id: str | None = None

    async def do(self) -> None:
        try:
            with in_hand():
                await self._do()
        finally:
            await self._writer.close()

    async def _do(self) -> None:
        status, error = RunStatus.SUCCESS, None
        limit = asyncio.timeout(settings.RUN_TIMEOUT)
        try:
            await self._begin()
            if self._run.cancel_action:
                # Asked for when nobody was there to do it.
                raise asyncio.CancelledError
            async with limit:
                status = await self._stream()
        except asyncio.CancelledError:
            # Where it was deleted, or another process has it, there is nothing to end, and its readers find out.
            await _to_its_end(self._give_up())
            raise
        except Exception as exc:
            if isinstance(exc, DatabaseAway) and self._run.attempts < MAX_ATTEMPTS:
                logger.warning("run %s waits for the database: %s", self._run.pk, exc)
                await _to_its_end(self._requeue())
                return
            error = _timed_out() if limit.expired() else _tell(exc, self._run, self._meter.entry)
            status = RunStatus.ERROR
        await _to_its_end(self._finish(status, error))

    async def _begin(self) -> None:
        if self._run.attempts > 1 and await self._left_open():
            self._emit(("messages", {"event": "error", "message": BEGUN_AGAIN.message, "code": BEGUN_AGAIN.code}))
        self._emit(("lifecycle", {"event": "running", "run_id": str(self._run.pk)}))

    async def _left_open(self) -> bool:
        """Whether the attempt before this one broke off in the middle of a message, and nobody was told."""
        try:
            newest = await self._log.newest(self._run.thread_id, LOOKED_AT)
        except LogUnavailable:
            return False
        said = [entry.data["event"] for entry in newest if entry.method == "messages"]
        return bool(said) and said[-1] not in ("message-finish", "error")

    async def _stream(self) -> RunStatus:
        """Run the graph and tell the log. Returns how the run has ended."""
        run = self._run
        config, entry, scope = await in_database_thread(ingredients_of, run)
        self._meter.entry = entry
        graph = await open_graph(config, entry)
        context = RunContext(DocumentRetriever(scope), partial(keep_in_thread, run.thread_id))
        try:
            return await self._stream_graph(graph, context, reach_of(config, entry))
        except EarlierNeeded:
            logger.info("run %s goes on with its whole thread", run.pk)
            for event in self._translator.end(BEGUN_AGAIN, None):
                self._emit(event)
            return await self._stream_graph(graph, context, None, again=True)

    async def _stream_graph(
        self, graph: Graph, context: RunContext, is_enough: IsEnough | None, *, again: bool = False
    ) -> RunStatus:
        """As `_stream`, with a graph that is given as many messages as are enough. Raises `EarlierNeeded`."""
        run, translator = self._run, self._translator
        beginning = await in_database_thread(begin, run, graph.nodes.keys(), again=again)
        if beginning.messages and not again:
            self._emit(translator.input(beginning.messages))
        if isinstance(beginning.input, NothingToDo):
            return RunStatus.SUCCESS
        is_enough = None if beginning.replaces else is_enough
        saver = AnnouncingSaver(writer=writer_of(run=run), announce=self._emit, is_enough=is_enough)
        fork = {"checkpoint_id": beginning.checkpoint_id} if beginning.checkpoint_id else {}
        stream = graph.copy(update={"checkpointer": saver}).astream(
            beginning.input,
            {
                "configurable": {"thread_id": str(run.thread_id), "checkpoint_ns": "", **fork},
                "metadata": {"run_id": str(run.pk)},
                "recursion_limit": RECURSION_LIMIT,
                "callbacks": [self._meter, ToolWatch(self._tool_started)],
            },
            stream_mode=STREAM_MODES,
            context=context,
        )
        # Told when the graph has saved what it waits with: who answers at once is to find it.
        asked: list[Event] = []
        try:
            async for mode, payload in stream:
                for event in translator.translate(mode, payload):
                    if event[0] == "input.requested":
                        asked.append(event)
                    else:
                        self._emit(event)
        except Exception as exc:
            if saver.needs_earlier:
                raise EarlierNeeded from exc
            raise
        for event in asked:
            self._emit(event)
        return RunStatus.INTERRUPTED if asked else RunStatus.SUCCESS

    def _emit(self, event: Event) -> None:
        method, data = event
        if method == "values":
            self._checkpoint_id = data["checkpoint_id"]
        self._writer.add(event)

    def _tool_started(self, call_id: str, name: str, arguments: Any) -> None:
        self._emit(self._translator.tool_started(call_id, name, arguments))

    async def _finish(self, status: RunStatus, error: OpenGPTsError | None) -> None:
        partial = self._translator.partial(error.code) if error else None
        await self._end(
            lambda last_seq: finish_run(
                run=self._run,
                status=status,
                error=error,
                spent=self._meter.spending(),
                partial=partial,
                last_seq=last_seq,
            ),
            LIFECYCLE_OF[status],
            error,
            partial,
        )

    async def _give_up(self) -> None:
        """The run was cancelled, or its process is to stop."""
        partial = self._translator.partial(CANCELLED.code)
        cancelled = await self._end(
            lambda last_seq: finish_cancelled_run(
                run=self._run, spent=self._meter.spending(), partial=partial, last_seq=last_seq
            ),
            LIFECYCLE_OF[RunStatus.CANCELLED],
            CANCELLED,
            partial,
        )
        if not cancelled:
            await self._requeue()

    async def _end(
        self,
        end: Callable[[int | None], Ended | None],
        lifecycle: str,
        error: OpenGPTsError | None,
        partial: dict[str, Any] | None,
    ) -> bool:
        """End the run's row by `end`, which is given the number of its last event, and tell the log; whether it did.

        The row comes first: who hears that the run has ended finds it so.
        """
        flushed = await self._writer.flush(settings.RUN_LOST_AFTER)
        closing = list(self._translator.end(error, from_wire(partial) if partial else None))
        last_seq = (self._writer.last_seq or self._floor) + len(closing) + END_EVENTS if flushed else None
        ended = await _persist(end, last_seq)
        if ended is None:
            return False
        about = {"run_id": str(self._run.pk), **(_as_event(error) if error else {})}
        values = {"checkpoint_id": ended.checkpoint_id or self._checkpoint_id}
        for event in [*closing, ("values", values), ("lifecycle", {"event": lifecycle, **about})]:
            self._emit(event)
        await self._writer.flush(settings.RUN_LOST_AFTER)
        if last_seq is not None and self._writer.last_seq not in (None, last_seq):
            # Others have added to the log meanwhile.
            await _persist(correct_numbers, run=self._run, told=last_seq, last_seq=self._writer.last_seq)
        return True

    async def _requeue(self) -> None:
        """Put the run back, as soon as the database answers: to go on from its last checkpoint."""
        flushed = await self._writer.flush(settings.RUN_HEARTBEAT)
        await _persist(
            lambda last_seq: requeue_run(run=self._run, spent=self._meter.spending(), last_seq=last_seq),
            (self._writer.last_seq or self._floor) if flushed else None,
        )


async def _persist(write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a service that must be done, again and again until the database answers."""
    while True:
        try:
            return await in_database_thread(write, *args, **kwargs)
        except DatabaseAway as exc:
            logger.warning("the end of a run waits for the database: %s", exc)
            await asyncio.sleep(settings.RUN_HEARTBEAT)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`, which is finished also where the waiting is cancelled; then that is told."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        raise cancelled
    task.result()


def _timed_out() -> OpenGPTsError:
    return OpenGPTsError(f"The run was stopped after {settings.RUN_TIMEOUT:g} seconds.", code="run_timed_out")


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
