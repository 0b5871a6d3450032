"""Wake-ups between the processes of a deployment: hints that there is something new under a name.

A wake-up says nothing but a name, and may be lost or come for nothing. Whoever listens looks for itself when it is
woken, and now and then without.

Within a process they are handed over directly. To other processes they go over the Channels layer, where that is one
that other processes are on. Each event loop has one channel of the layer, however many names are listened to.
"""

import asyncio
import contextvars
import logging
import os
import re
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from opengpts.outage import Outage
from opengpts.per_loop import PerLoop

logger = logging.getLogger(__name__)

# Seconds that a caller waits at most for the layer. What it wanted is done in the background after that.
PATIENCE = 1.0
# Seconds that the layer is given for one message or change, and seconds between two tries while it cannot be reached.
LAYER_TIMEOUT = 5.0
RETRY = 1.0
# Names that wait to be sent, at most: what the layer cannot keep up with is dropped.
MAX_WAITING = 10_000

# Names become groups of the layer, which allows them these characters and 99 of them, our prefix included.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_GROUP = "wakeups.{}"
_ORIGIN = uuid.uuid4().hex


@asynccontextmanager
async def on(name: str) -> AsyncIterator[asyncio.Event]:
    """Listen. The event is set at each wake-up of that name from now on; the caller clears it.

    It is also set when wake-ups may have been missed. Raises ValueError for a name that cannot be one.
    """
    hub, event = _hubs.here(), asyncio.Event()
    await hub.add(_checked(name), event)
    try:
        yield event
    finally:
        hub.discard(name, event)


async def wake(name: str) -> None:
    """Wake those who listen to that name, and return when the wake-up is sent, or after a short time.

    Never fails because of the layer. For code that is sync, wrapped in `async_to_sync`. Raises ValueError for a name
    that cannot be one.
    """
    if (sent := _wake(name)) is not None:
        await asyncio.wait({sent}, timeout=PATIENCE)


def wake_soon(name: str, *, here: bool = True) -> None:
    """As `wake`, without waiting: it is sent when the event loop that is running comes to it.

    `here` is false when those who listen on this event loop know already.
    """
    _wake(name, here=here)


async def aclose() -> None:
    """End the tasks of the running event loop. Those who still listen are woken no more."""
    if hub := _hubs.pop():
        await hub.aclose()


def _wake(name: str, *, here: bool = True) -> asyncio.Future[None] | None:
    _checked(name)
    own = _hubs.here()
    for loop, hub in _hubs.everywhere().items():
        if hub is not own:
            _deliver_there(loop, hub, name)
        elif here:
            hub.deliver(name)
    return own.send(name)


def _deliver_there(loop: asyncio.AbstractEventLoop, hub: "_Hub", name: str) -> None:
    try:
        loop.call_soon_threadsafe(hub.deliver, name)
    except RuntimeError:
        logger.debug("An event loop closed while it was to be woken.")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a wake-up.")
    return name


def _origin() -> str:
    # With the process id: a process that was forked has another.
    return f"{_ORIGIN}.{os.getpid()}"


class _Hub:
    """Who listens on one event loop, and the tasks that keep it connected with other processes."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}
        layer = get_channel_layer()
        # The layer in memory reaches nobody that `deliver` does not reach.
        self._layer: Any = None if isinstance(layer, InMemoryChannelLayer) else layer
        self._channel = f"wakeups.{uuid.uuid4().hex}"
        self._outage = Outage(
            logger,
            begun="Processes cannot wake each other, and notice what is new later",
            over="Processes wake each other again",
        )
        # The groups that the layer may have this channel in, and those of them that it certainly has.
        self._groups: set[str] = set()
        self._joined: set[str] = set()
        self._joining: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._listening: list[asyncio.Task[None]] = []
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._sending: asyncio.Task[None] | None = None

    async def add(self, name: str, event: asyncio.Event) -> None:
        """Wait, for a short time, until other processes can wake this one."""
        self._listeners.setdefault(name, set()).add(event)
        if self._layer is None or name in self._joined:
            return
        if not self._listening:
            self._listening = [_task(self._receive()), _task(self._keep_joined())]
        joining = self._joining.setdefault(name, asyncio.get_running_loop().create_future())
        self._changed.set()
        try:
            if not self._outage.ongoing:
                await asyncio.wait({joining}, timeout=PATIENCE)
        except BaseException:
            self.discard(name, event)
            raise

    def discard(self, name: str, event: asyncio.Event) -> None:
        listeners = self._listeners[name]
        listeners.discard(event)
        if not listeners:
            del self._listeners[name]
            self._changed.set()

    def deliver(self, name: str) -> None:
        """Wake those who listen here."""
        for event in self._listeners.get(name, ()):
            event.set()

    def send(self, name: str) -> asyncio.Future[None] | None:
        """Have other processes woken. What waits already need not be sent twice.

        Returns what is done when it was sent or given up; None where nobody need wait for it.
        """
        if self._layer is None or (name not in self._waiting and len(self._waiting) >= MAX_WAITING):
            return None
        if name not in self._waiting:
            self._waiting[name] = asyncio.get_running_loop().create_future()
        if self._sending is None or self._sending.done():
            self._sending = _task(self._send_waiting())
        return None if self._outage.ongoing else self._waiting[name]

    async def aclose(self) -> None:
        tasks = [*self._listening, *([self._sending] if self._sending else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_waiting(self) -> None:
        while self._waiting:
            name = next(iter(self._waiting))
            sent = self._waiting.pop(name)
            try:
                async with asyncio.timeout(LAYER_TIMEOUT):
                    await self._layer.group_send(_GROUP.format(name), {"name": name, "origin": _origin()})
                self._outage.over()
            except Exception as exc:
                self._outage.met(exc)
            finally:
                _settle(sent)
            _heed_cancelling()

    async def _receive(self) -> None:
        while True:
            try:
                # The first time, this also subscribes the channel itself; it is in the groups without that, too.
                message = await self._layer.receive(self._channel)
            except Exception as exc:
                self._outage.met(exc)
                await asyncio.sleep(RETRY)
            else:
                if message.get("origin") != _origin():
                    self.deliver(message.get("name", ""))

    async def _keep_joined(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._leave()
                await self._join()
                settled = self._groups == self._joined
            except Exception as exc:
                self._outage.met(exc)
                settled = False
            _heed_cancelling()
            await (self._changed.wait() if settled else asyncio.sleep(RETRY))

    async def _leave(self) -> None:
        in_outage = self._outage.ongoing
        for name in self._groups - self._listeners.keys():
            self._joined.discard(name)
            async with asyncio.timeout(LAYER_TIMEOUT):
                # Where leaving failed half-way before, the layer has forgotten that the channel is in the group.
                await self._layer.group_add(_GROUP.format(name), self._channel)
                await self._layer.group_discard(_GROUP.format(name), self._channel)
            # A connection that is made anew for it subscribes to what is being left, too: once more, when it is there.
            if not in_outage:
                self._groups.discard(name)
            self._outage.over()

    async def _join(self) -> None:
        for name in self._listeners.keys() - self._joined:
            self._groups.add(name)
            async with asyncio.timeout(LAYER_TIMEOUT):
                await self._layer.group_add(_GROUP.format(name), self._channel)
            self._joined.add(name)
            self._outage.over()
            # Somebody may have woken them before others could reach them.
            self.deliver(name)
        for name in self._joining.keys() - (self._listeners.keys() - self._joined):
            _settle(self._joining.pop(name))


def _heed_cancelling() -> None:
    """Raise CancelledError where it should have been.

    A cancellation that comes just as something is done is lost in Python 3.11's `wait_for`, which the layer uses.
    """
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    # In a context of its own: it outlives the request that it began in.
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_hubs = PerLoop(_Hub)
