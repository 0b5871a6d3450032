"""Writing a run's events into its thread's log."""

import asyncio
import logging
from collections.abc import Callable

from runs.event_log import Event, EventLog, LogLost, LogTaken, LogUnavailable
from runs.models import Run

logger = logging.getLogger(__name__)

# Seconds between two writes at least. What comes in between is written together, deltas of one block as one: a model
# faster than people read costs no more than one they can follow. The first is never held back.
FRAME = 0.02
# Seconds between two attempts to reach the log, at first and at most.
RETRY, MAX_RETRY = 0.1, 2.0


class LogWriter:
    """Takes events as they come, never waits for the log, and writes them in order.

    While the log cannot be reached events wait here, and no more of them than the run's own text. One that was lost
    is begun again with what `restate` gives: the events that tell a reader who knows nothing where the run is.
    """

    def __init__(
        self,
        log: EventLog,
        run: Run,
        *,
        floor: int,
        restate: Callable[[], tuple[list[Event], list[Event]]],
        written: Callable[[], None],
    ) -> None:
        """`floor` is that of `EventLog.append`.

        `restate` gives the events of messages that have ended, and of the one that is being written. It need not give
        those that had ended when `written` was called: everything that was added is in the log then.
        """
        self._log, self._run, self._floor = log, run, floor
        self._restate, self._written = restate, written
        self._waiting: list[Event] = []
        self._worker: asyncio.Task[None] | None = None
        self._due, self._hurry = asyncio.Event(), False
        # The run is another process's now, which this one will hear of.
        self._taken = False
        # The number of the last event that was written; None before the first.
        self.last_seq: int | None = None

    def add(self, event: Event) -> None:
        """Take an event. To be called on the event loop."""
        if self._taken:
            return
        if not (self._waiting and _merge(self._waiting[-1], event)):
            self._waiting.append(event)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def flush(self, timeout: float) -> bool:  # noqa: ASYNC109 - that it takes longer is no error
        """Wait until everything is written, for `timeout` seconds at most; whether it is."""
        self._hurry = True
        self._due.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=timeout)
        self._hurry = False
        return not self._waiting and (self._worker is None or self._worker.done())

    async def close(self) -> None:
        """Give up what could not be written."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._write()
            if not self._hurry:
                self._due.clear()
                timer = loop.call_later(FRAME, self._due.set)
                await self._due.wait()
                timer.cancel()

    async def _write(self) -> None:
        events, self._waiting = self._waiting, []
        retry = RETRY
        while True:
            try:
                self.last_seq = await self._log.append(
                    self._run.thread_id, self._run.pk, events, floor=self._floor, continuing=self.last_seq is not None
                )
            except LogLost:
                logger.warning("the event log of thread %s was lost; it is begun again", self._run.thread_id)
                events, self._waiting = self._begin_again(events), []
            except LogTaken:
                logger.warning("run %s goes on in another process; what this one says of it is not told", self._run.pk)
                self._taken, self._waiting = True, []
                return
            except LogUnavailable as exc:
                # The same again, and nothing added to it: for all that is known it may have been written.
                logger.warning("run %s goes on while the event log cannot be reached: %s", self._run.pk, exc)
                await asyncio.sleep(retry)
                retry = min(retry * 2, MAX_RETRY)
            except Exception:  # a fault of ours: the run is worth more than what is told of it
                logger.exception("events of run %s cannot be written, and are left out", self._run.pk)
                return
            else:
                if not self._waiting:
                    self._written()
                return

    def _begin_again(self, events: list[Event]) -> list[Event]:
        """What a reader of the new log has to be told first. What waits of messages is part of what is restated."""
        # Any of these numbers may have been given, and that not been heard.
        self._floor = max(self._floor, (self.last_seq or 0) + len(events))
        self.last_seq = None
        told = [event for event in [*events, *self._waiting] if event[0] != "messages"]
        closed, growing = self._restate()
        return [("lifecycle", {"event": "running", "run_id": str(self._run.pk)}), *closed, *told, *growing]


def _merge(last: Event, event: Event) -> bool:
    """Add a delta to the last event, where that is one of the same block; whether it was."""
    if last[0] != "messages" or event[0] != "messages":
        return False
    before, after = last[1], event[1]
    if before["event"] != "content-block-delta" or after["event"] != "content-block-delta":
        return False
    if before["index"] != after["index"] or before["delta"]["type"] != after["delta"]["type"]:
        return False
    key = next(key for key in before["delta"] if key != "type")
    last[1]["delta"] = {**before["delta"], key: before["delta"][key] + after["delta"][key]}
    return True
