"""What one connection is sent of a thread's event log, in the Agent Streaming Protocol."""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import Error as DatabaseFailed

from accounts.models import User
from opengpts.db import in_database_thread
from opengpts.errors import NotFound
from runs.event_log import Batch, LogEntry, event_log
from runs.event_log.entries import dumps, encode_wire, now_in_milliseconds
from runs.models import Run
from runs.streaming.positions import Start, find_start, mark_told
from runs.streaming.subscriptions import Subscription
from runs.streaming.untold import UntoldEnds
from threads.models import Thread
from threads.state import read_state

logger = logging.getLogger(__name__)

# Sends frames, each the JSON of one event, and returns when there is room for more.
Send = Callable[[list[str]], Awaitable[None]]
# The name of the custom event that says that events are missing. Every subscriber is sent it.
GAP = "gap"
# What lifecycle events say of runs that are over.
ENDS = frozenset({"completed", "failed"})


@dataclass(slots=True)
class _Subscriber:
    id: str
    subscription: Subscription
    since: int | None
    after: int = 0
    # Up to here, what the log says of the values is known from a snapshot.
    known: int = 0
    # The checkpoint whose values were sent last.
    values_of: str | None = None
    # Its deltas are of no use without the beginning of the message, which is missing.
    midway: bool = False


class Feed:
    """Sends the events of one thread that a connection has subscribed to, in order, each once.

    One task reads and sends, so that subscriptions do not overtake each other. It reads only as fast as is sent: a
    client that is slow makes it fall behind, and of what is cumulative it gets the newest then.
    """

    def __init__(self, thread_id: uuid.UUID, owner: User, send: Send, *, together: float = 0.0) -> None:
        """`owner` is who is being sent to: events of runs that are not theirs are not.

        Subscriptions that come within `together` seconds of each other are told of the past together, in order.
        """
        self._together = together
        self._thread_id, self._owner, self._send, self._log = thread_id, owner, send, event_log()
        # Whether a run is the owner's. The log may be that of a thread which was deleted and made anew by another.
        self._theirs: dict[uuid.UUID, bool] = {}
        self._untold = UntoldEnds(owner, thread_id)
        self._new: deque[_Subscriber] = deque()
        self._live: dict[str, _Subscriber] = {}
        self._changed = asyncio.Event()
        # What has been read for those who are live.
        self._cursor: int | None = None

    @property
    def size(self) -> int:
        """How many subscriptions there are."""
        return len(self._new) + len(self._live)

    def subscribe(self, subscription: Subscription, *, since: int | None = None) -> str:
        """Add a subscription and return its id. `since` is as `SubscribeBody` has it."""
        subscriber = _Subscriber(str(uuid.uuid4()), subscription, since)
        self._new.append(subscriber)
        self._changed.set()
        return subscriber.id

    def unsubscribe(self, subscription_id: str) -> Subscription | None:
        """End a subscription and return it; None where there is none of that id."""
        waiting = next((new for new in self._new if new.id == subscription_id), None)
        if waiting is not None:
            self._new.remove(waiting)
            return waiting.subscription
        subscriber = self._live.pop(subscription_id, None)
        return subscriber.subscription if subscriber else None

    async def run(self) -> None:
        """Send until cancelled."""
        reader = None
        reading: asyncio.Future[Batch] | None = None
        changing: asyncio.Future[bool] | None = None
        try:
            while True:
                self._changed.clear()
                while self._new:
                    await self._take_in(await self._newcomers())
                if self._cursor is not None and reader is None:
                    reader = self._log.read(self._thread_id, after=self._cursor)
                if reader is not None:
                    reading = reading or asyncio.ensure_future(anext(reader))
                changing = changing or asyncio.ensure_future(self._changed.wait())
                tasks = {task for task in (reading, changing) if task}
                done, _ = await asyncio.wait(
                    tasks, timeout=settings.STREAM_HEARTBEAT, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and self._cursor is not None:
                    await self._tell_untold(self._cursor)
                if changing.done():
                    changing = None
                if reading is not None and reading.done():
                    batch, reading = reading.result(), None
                    self._cursor = batch.entries[-1].seq
                    await self._pass_on(batch, list(self._live.values()))
        finally:
            for task in (reading, changing):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            if reader is not None:
                await reader.aclose()

    async def _newcomers(self) -> list[_Subscriber]:
        """The new subscribers, when no more of them come."""
        count = 0
        while self._together and count < len(self._new):
            count = len(self._new)
            await asyncio.sleep(self._together)
        return list(self._new)

    async def _take_in(self, newcomers: list[_Subscriber]) -> None:
        """Bring new subscribers to where the others are; then they are some of them."""
        for subscriber in newcomers:
            start = await find_start(self._log, self._thread_id, subscriber.subscription, subscriber.since)
            subscriber.after, subscriber.known = start.after, start.known
            if start.missed:
                await self._tell_gap(subscriber, since=subscriber.since, until=start.after)
            elif start.snapshot:
                await self._send_snapshot(subscriber, start)
        first = min((subscriber.after for subscriber in newcomers), default=None)
        if self._cursor is None:
            self._cursor = first
        elif first is not None and first < self._cursor:
            await self._replay(newcomers, first, self._cursor)
        for subscriber in newcomers:
            # It may have been given up meanwhile.
            if subscriber in self._new:
                self._new.remove(subscriber)
                self._live[subscriber.id] = subscriber

    async def _replay(self, subscribers: list[_Subscriber], after: int, until: int) -> None:
        reader = self._log.read(self._thread_id, after=after)
        try:
            while after < until and await self._log.last_seq(self._thread_id) > after:
                batch = await anext(reader)
                batch.entries = [entry for entry in batch.entries if entry.seq <= until]
                if not batch.entries:
                    return
                after = batch.entries[-1].seq
                await self._pass_on(batch, subscribers)
        finally:
            await reader.aclose()

    async def _pass_on(self, batch: Batch, subscribers: list[_Subscriber]) -> None:
        """Send a batch to those who want something of it: each event once, and of the values only the newest."""
        until, last = batch.entries[0].seq - 1, batch.entries[-1].seq
        for subscriber in subscribers if batch.gap else ():
            if subscriber.after < until:
                await self._tell_gap(subscriber, since=subscriber.after, until=until)
        await self._leave_out_others(batch)
        newest_values = next((entry for entry in reversed(batch.entries) if entry.method == "values"), None)
        frames: list[str] = []
        ended: set[uuid.UUID] = set()
        for entry in batch.entries:
            # All of them, for each notes what it has been told of.
            wanted = [subscriber for subscriber in subscribers if self._wants(subscriber, entry)]
            if not wanted:
                continue
            if entry.method != "values":
                frames.append(entry.wire)
                if _is_end(entry) and any(one.subscription.only_about_runs for one in wanted):
                    ended.add(entry.run_id)
            elif entry is newest_values and (frame := await self._values_frame(entry, wanted)):
                frames.append(frame)
        for subscriber in subscribers:
            subscriber.after = max(subscriber.after, last)
        if ended:
            # First: whoever hears of it may start the next run at once, and should not hear of it again.
            await in_database_thread(mark_told, ended)
        if frames:
            await self._send(frames)

    async def _leave_out_others(self, batch: Batch) -> None:
        unknown = {entry.run_id for entry in batch.entries} - self._theirs.keys()
        if unknown:
            theirs = await in_database_thread(_owned, self._owner, unknown)
            self._theirs |= {run_id: run_id in theirs for run_id in unknown}
        late = self._untold.told
        batch.entries = [entry for entry in batch.entries if self._theirs[entry.run_id] and entry.run_id not in late]
        self._untold.hear(batch.entries)

    def _wants(self, subscriber: _Subscriber, entry: LogEntry) -> bool:
        if entry.seq <= subscriber.after or not subscriber.subscription.wants(entry):
            return False
        if entry.method == "messages" and subscriber.midway:
            subscriber.midway = entry.data["event"] != "message-start"
            return not subscriber.midway
        return entry.method != "values" or entry.seq > subscriber.known

    async def _values_frame(self, entry: LogEntry, wanted: list[_Subscriber]) -> str | None:
        """The event with the values in it; None where all have them, or there is no such state any more."""
        checkpoint_id = entry.data["checkpoint_id"]
        wanted = [one for one in wanted if checkpoint_id is None or one.values_of != checkpoint_id]
        values = await self._read_values(checkpoint_id) if wanted else None
        if values is None:
            return None
        for subscriber in wanted:
            subscriber.values_of = checkpoint_id
        return encode_wire(entry.seq, "values", values, entry.timestamp)

    async def _tell_gap(self, subscriber: _Subscriber, *, since: int | None, until: int) -> None:
        """Say that the events after `since`, up to the number `until`, are gone, and how things stand now."""
        data = dumps({"name": GAP, "payload": {"since": since, "until": until}})
        await self._send([encode_wire(until, "custom", data, now_in_milliseconds(), f"{until}-{GAP}")])
        subscriber.midway = True
        known = await self._log.last_seq(self._thread_id)
        subscriber.after = until
        await self._send_snapshot(subscriber, Start(until, known=known))

    async def _send_snapshot(self, subscriber: _Subscriber, start: Start) -> None:
        """Send the values as they are now, which is what a client builds on."""
        if not subscriber.subscription.wants_channel("values"):
            return
        subscriber.known = start.known
        values = await self._read_values(None)
        if values is not None:
            # Known by the place that it brings the client to, and what is in it: later ones have more.
            event_id = f"{start.after}-{start.known}-values"
            await self._send([encode_wire(start.after, "values", values, now_in_milliseconds(), event_id)])

    async def _tell_untold(self, cursor: int) -> None:
        """Tell of runs whose ends the log has not told: how the thread stands, and that they are over.

        Known by the place where the stream is: the log has no number for them.
        """
        try:
            missing = await self._untold.look()
        except DatabaseFailed as exc:
            logger.warning("the runs of thread %s cannot be looked at now: %s", self._thread_id, exc)
            return
        for run_id, (method, data) in missing:
            logger.warning("the event log does not say that run %s has ended; who watches is told from its row", run_id)
            for subscriber in list(self._live.values()):
                await self._send_snapshot(subscriber, Start(cursor, known=subscriber.known))
                subscriber.midway = True
            if any(subscriber.subscription.wants_channel(method) for subscriber in self._live.values()):
                event_id = f"synth:{run_id}:{cursor}-end"
                await self._send([encode_wire(cursor, method, dumps(data), now_in_milliseconds(), event_id)])

    async def _read_values(self, checkpoint_id: str | None) -> str | None:
        return await in_database_thread(_read_values, self._owner, self._thread_id, checkpoint_id)


def _is_end(entry: LogEntry) -> bool:
    return entry.method == "lifecycle" and entry.data["event"] in ENDS


def _owned(owner: User, run_ids: set[uuid.UUID]) -> set[uuid.UUID]:
    return set(Run.objects.owned_by(owner).filter(pk__in=run_ids).values_list("pk", flat=True))


def _read_values(owner: User, thread_id: uuid.UUID, checkpoint_id: str | None) -> str | None:
    """The thread's values as JSON, at that checkpoint or the newest.

    None where it has no such checkpoint any more, or is another's by now.
    """
    if not Thread.objects.owned_by(owner).filter(pk=thread_id).exists():
        return None
    try:
        state = read_state(thread=Thread(pk=thread_id), checkpoint_id=checkpoint_id)
    except NotFound:
        return None
    return f'{{"messages":[{",".join(state.messages)}]}}'
