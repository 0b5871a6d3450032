"""`WS /threads/{id}/stream/events`: the Agent Streaming Protocol in both directions, over one WebSocket.

Commands are done one after the other, none of which takes long; what runs say comes from a task beside them.
"""

import asyncio
import json
import logging
import time
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseFailed

from accounts.models import User
from opengpts.auth import ANY_KEY, BEARER, Need, check_still
from opengpts.db import in_database_thread
from opengpts.error_responses import as_client_error
from opengpts.errors import NotFound, OpenGPTsError, RateLimited
from opengpts.lookup import parse_id
from opengpts.stopping import told_to_stop
from opengpts.strict_json import decode_json
from opengpts.throttling import admit, throttle_user
from runs.cancellation import cancel_run
from runs.event_log import LogUnavailable, event_log
from runs.streaming.command_frames import Command, CommandFailed, failure, read_command, read_params
from runs.streaming.commands import SUBSCRIPTIONS, need_of, own_thread, perform
from runs.streaming.feed import Feed
from runs.streaming.http import STOPPING
from runs.streaming.open_streams import Place
from runs.streaming.params import Reconnect, RunStart, Unsubscribe
from runs.streaming.subscriptions import SubscribeBody, Subscription, error_frame
from runs.streaming.thread_events import LOG_AWAY
from threads.models import Thread

logger = logging.getLogger(__name__)

# Close codes are these and the HTTP status that says the same, as official clients expect.
CLOSE = 4000
# Seconds between two looks at a socket that may be idle, or stuck; and for the last words to one that is given up.
WATCH, LAST_WORDS = 5.0, 2.0
# Seconds between subscriptions that a client makes at once. The official JavaScript client does so when it comes back,
# and would take the end of a run that one is told of for that of what the others are still to be told.
TOGETHER = 0.02


class ThreadSocket(AsyncWebsocketConsumer):
    """One client of one thread. The thread need not exist yet: `run.start` makes it."""

    # Wake-ups are shared by all sockets of the process: none needs a channel of its own.
    channel_layer_alias = "no layer"

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._place = Place()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._place.give_back()

    async def connect(self) -> None:
        offered = self.scope.get("subprotocols") or []
        await self.accept(BEARER if offered[:1] == [BEARER] else None)
        self._feed: Feed | None = None
        self._tasks: list[asyncio.Task[None]] = []
        # Runs to cancel when the client leaves.
        self._to_cancel: list[str] = []
        self._active, self._sending_since = time.monotonic(), 0.0
        self._writing = asyncio.Lock()
        # What comes after the end of the connection was said is not done any more.
        self._refused: OpenGPTsError | None = None
        try:
            self._user = await in_database_thread(self._identify)
        except Exception as exc:
            error = as_client_error(exc)
            if error.code == "internal_error":
                logger.error("unhandled error in a WebSocket's handshake", exc_info=exc)
            await self._refuse(_refusal_of(error), error)
            return
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._stop_with_server())]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._refused:
            return
        self._active = time.monotonic()
        command_id = None
        if _bytes_of(text_data or bytes_data or "") > settings.MAX_BODY_BYTES:
            message = f"The message is larger than this server takes: {settings.MAX_BODY_BYTES} bytes (MAX_BODY_BYTES)."
            await self._refuse("invalid_argument", OpenGPTsError(message, code="too_large"))
            return
        try:
            command = read_command(_decode(text_data, bytes_data))
            command_id = command.id
            await self._answer(command)
        except CommandFailed as failed:
            await self._send_frames([json.dumps(failure(command_id, failed))])
        except DatabaseFailed as exc:
            logger.error("a command over WebSocket failed", exc_info=exc)
            unknown = CommandFailed("unknown_error", as_client_error(exc).message)
            await self._send_frames([json.dumps(failure(command_id, unknown))])

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A server that stops leaves the client; the client comes back, and the run goes on.
        for run_id in self._to_cancel if self._refused is not STOPPING else ():
            try:
                await in_database_thread(cancel_run, owner=self._user, run_id=run_id)
            except NotFound:
                logger.debug("run %s was deleted before it could be cancelled", run_id)

    def _identify(self) -> User:
        """Who is there, if this thread may be theirs. Raises what is wrong with that, or that they have too many."""
        # What it is good for is seen with each command.
        user = admit(self.scope, needs=ANY_KEY)
        # Only then, so that whoever nobody knows is counted whatever they ask for.
        self._thread_id = parse_id(self.scope["url_route"]["kwargs"]["thread_id"], what="Thread")
        self._check_thread(user)
        self._place.take(user)
        return user

    def _check_thread(self, user: User) -> None:
        """Raises `NotFound` for a thread of somebody else's. One that is not there yet may become theirs."""
        if Thread.objects.of_others(user).filter(pk=self._thread_id).exists():
            raise NotFound("Thread not found")

    async def _answer(self, command: Command) -> None:
        if command.method not in SUBSCRIPTIONS:
            response = await in_database_thread(self._perform, command)
            if command.method == "run.start" and read_params(RunStart, command.params).on_disconnect == "cancel":
                self._to_cancel.append(response["result"]["run_id"])
            await self._send_frames([json.dumps(response, ensure_ascii=False)])
            return
        await in_database_thread(self._check, command)
        result = await self._manage(command)
        await self._send_frames([json.dumps({"type": "success", "id": command.id, "result": result})])

    def _perform(self, command: Command) -> dict[str, Any]:
        return perform(self._asker(need_of(command)), str(self._thread_id), command)

    def _check(self, command: Command) -> None:
        own_thread(self._asker(need_of(command)), self._thread_id)

    def _asker(self, needs: Need) -> User:
        """Who is there, asked again with each command, which is counted as a request. Raises `CommandFailed`."""
        try:
            check_still(self._user, self.scope, needs=needs)
            throttle_user(self._user)
        except RateLimited as exc:
            raise CommandFailed(exc.code, exc.message) from exc
        except OpenGPTsError as exc:
            raise CommandFailed("permission_denied", exc.message) from exc
        return self._user

    def _check_place(self) -> None:
        """Raises what has come to an end: who is there, or whose the thread was."""
        check_still(self._user, self.scope, needs=ANY_KEY)
        self._check_thread(self._user)

    async def _manage(self, command: Command) -> dict[str, Any]:
        if command.method == "subscription.unsubscribe":
            wanted = read_params(Unsubscribe, command.params).subscription_id
            if self._feed is None or self._feed.unsubscribe(wanted) is None:
                raise CommandFailed("no_such_subscription", "This socket has no such subscription.")
            return {}
        if command.method == "subscription.subscribe":
            return {"subscription_id": self._subscribe(read_params(SubscribeBody, command.params))}
        return await self._reconnect(read_params(Reconnect, command.params))

    async def _reconnect(self, params: Reconnect) -> dict[str, Any]:
        """Have subscriptions go on after the event that was seen last."""
        restored = {}
        for subscription_id in params.subscriptions:
            subscription = self._feed.unsubscribe(subscription_id) if self._feed else None
            if subscription is not None:
                restored[subscription_id] = self._subscribe_to(subscription, params.since)
        if body := params.body():
            restored["channels"] = self._subscribe(body)
        try:
            last = await event_log().last_seq(self._thread_id)
        except LogUnavailable as exc:
            raise CommandFailed("unknown_error", LOG_AWAY) from exc
        missed = max(0, last - params.since) if params.since is not None else last
        by_id = {"subscription_id": restored.pop("channels")} if "channels" in restored else {}
        found = {"subscriptions": restored} if restored else {}
        return {"restored": bool(by_id or found), "missed_events": missed, **by_id, **found}

    def _subscribe(self, body: SubscribeBody) -> str:
        return self._subscribe_to(Subscription.of(body), body.since)

    def _subscribe_to(self, subscription: Subscription, since: int | None) -> str:
        if self._feed is None:
            self._feed = Feed(self._thread_id, self._user, self._send_frames, together=TOGETHER)
            self._tasks.append(asyncio.create_task(self._follow(self._feed)))
        if self._feed.size >= settings.WEBSOCKET_MAX_SUBSCRIPTIONS:
            most = settings.WEBSOCKET_MAX_SUBSCRIPTIONS
            raise CommandFailed("invalid_argument", f"A socket has {most} subscriptions at most.")
        return self._feed.subscribe(subscription, since=since)

    async def _follow(self, feed: Feed) -> None:
        try:
            await feed.run()
        except LogUnavailable as exc:
            logger.warning("the events of thread %s cannot be reached: %s", self._thread_id, exc)
            await self._refuse("unknown_error", OpenGPTsError(LOG_AWAY, code="server_stopping"))
        except Exception as exc:
            logger.error("the events of thread %s cannot be sent", self._thread_id, exc_info=exc)
            await self._refuse("unknown_error", as_client_error(exc))

    async def _send_frames(self, frames: list[str]) -> None:
        """Send frames, each as a message. Returns when the client has room for more."""
        async with self._writing:
            for frame in frames:
                self._sending_since = time.monotonic()
                await self.send(text_data=frame)
            self._sending_since, self._active = 0.0, time.monotonic()

    async def _watch(self) -> None:
        """Give up a client that does not read, one that neither says nor is told anything, a thread that is lost."""
        checked = time.monotonic()
        while not self._refused:
            await asyncio.sleep(min(WATCH, settings.WEBSOCKET_SEND_TIMEOUT / 2, settings.IDENTITY_CHECK))
            now = time.monotonic()
            if self._sending_since and now - self._sending_since > settings.WEBSOCKET_SEND_TIMEOUT:
                slow = OpenGPTsError("This client does not read what it is sent.", code="rate_limited")
                await self._refuse("unknown_error", slow)
            elif now - self._active > settings.WEBSOCKET_IDLE_TIMEOUT:
                idle = OpenGPTsError("Nothing was said here for long. Connect again.", code="timed_out")
                await self._refuse("unknown_error", idle)
            elif now - checked > settings.IDENTITY_CHECK:
                checked = now
                try:
                    await in_database_thread(self._check_place)
                except OpenGPTsError as lost:
                    await self._refuse("permission_denied", lost)
                except DatabaseFailed as exc:
                    # The next look, or the next command, finds out.
                    logger.warning("whose thread %s is cannot be asked now: %s", self._thread_id, exc)

    async def _stop_with_server(self) -> None:
        await told_to_stop()
        await self._refuse(STOPPING.code, STOPPING)

    async def _refuse(self, code: str, error: OpenGPTsError) -> None:
        """Say what is wrong, and end the connection: soon, or when the client reads on."""
        if self._refused:
            return
        self._refused = error
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        last_words = asyncio.create_task(self._end(code, error))
        self._tasks.append(last_words)
        _, unheard = await asyncio.wait({last_words}, timeout=LAST_WORDS)
        if unheard:
            # The server drops it when it does not answer a ping.
            logger.info("a WebSocket of thread %s is given up: %s", self._thread_id, error.message)

    async def _end(self, code: str, error: OpenGPTsError) -> None:
        await self.send(text_data=json.dumps(error_frame(None, code, error.message)))
        await self.close(CLOSE + error.status, error.message[:100])


class Nothing(AsyncWebsocketConsumer):
    """What answers at every other address."""

    channel_layer_alias = ThreadSocket.channel_layer_alias

    async def connect(self) -> None:
        await self.accept()
        await self.send(text_data=json.dumps(error_frame(None, "not_supported", "No WebSocket is served here.")))
        await self.close(CLOSE + 404)


def _refusal_of(error: OpenGPTsError) -> str:
    """What the protocol's error frame calls an error of the handshake."""
    if isinstance(error, RateLimited):
        return error.code
    return "permission_denied" if error.status < 500 else "unknown_error"


def _bytes_of(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode(errors="replace"))


def _decode(text: str | None, data: bytes | None) -> Any:
    """The value of a message. Raises `CommandFailed`."""
    if text is None:
        raise CommandFailed("invalid_argument", "Commands are text, in JSON.")
    try:
        return decode_json(text)
    except OpenGPTsError as exc:
        raise CommandFailed("invalid_argument", "Commands are JSON; this is none, or has too much in it.") from exc
