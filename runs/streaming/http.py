"""What streams over HTTP share: server-sent events, heartbeats, clients that leave, servers that stop."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.db import Error as DatabaseFailed

from accounts.models import User
from opengpts.auth import PEOPLE, Need, check_still
from opengpts.cutting_off import cut_off
from opengpts.db import in_database_thread
from opengpts.error_responses import as_client_error
from opengpts.errors import OpenGPTsError
from opengpts.request_body import Disconnected, receive_body, until_disconnected
from opengpts.stopping import told_to_stop
from opengpts.throttling import admit
from runs.streaming.open_streams import Place

logger = logging.getLogger(__name__)

Receive = Callable[[], Any]

STREAM_HEADERS = [
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-store"),
    # Tells nginx to pass each event on at once.
    (b"X-Accel-Buffering", b"no"),
]
# Bytes that are sent at once: whoever reads so many in STREAM_SEND_TIMEOUT seconds is slow, and no more than that.
PIECE = 64 * 1024
STOPPING = OpenGPTsError("The server is stopping. The run goes on when it is back.", code="server_stopping")


class NotReading(Exception):
    """The client has not read for STREAM_SEND_TIMEOUT seconds what it was sent."""


class EventStreamConsumer(AsyncHttpConsumer):
    """Answers one request with a stream. Subclasses say which."""

    # The methods that are answered.
    methods: tuple[str, ...]
    # What it needs of an API key.
    needs: Need = PEOPLE

    async def open(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Check the request and return the stream. What is raised here becomes the response instead.

        The stream gives chunks as they are sent; an empty one is a moment to say that it is still there.
        """
        raise NotImplementedError

    def broken_off(self, error: OpenGPTsError) -> bytes:
        """The last events of a stream that the server ends early, and why."""
        raise NotImplementedError

    async def left(self) -> None:
        """The client has gone away before its stream was over."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Callable[..., Any]) -> None:
        """Answer one request.

        The stream is given up when the client is gone or does not read, and ended when the server stops or the client
        is logged out.
        """
        self.scope, self.base_send = scope, send
        self._streaming = False
        self._user: User | None = None
        self._place = Place()
        try:
            await self._serve(receive)
        except NotReading:
            logger.info("a stream of %s is given up: its client does not read it", scope["path"])
            cut_off(scope)
        finally:
            self._place.give_back()

    async def _serve(self, receive: Receive) -> None:
        try:
            with await receive_body(receive, limit=settings.MAX_BODY_BYTES) as file:
                body = file.read()
        except Disconnected:
            return
        except OpenGPTsError as exc:
            await self._refuse(exc)
            return
        serving = asyncio.ensure_future(self.handle(body))
        leaving = asyncio.ensure_future(until_disconnected(receive))
        ending = asyncio.ensure_future(self._until_ended())
        try:
            await asyncio.wait({serving, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            over = serving.done()
            error = ending.result() if ending.done() and not leaving.done() else None
        finally:
            for task in (serving, leaving, ending):
                task.cancel()
        await asyncio.gather(serving, leaving, ending, return_exceptions=True)
        if over:
            try:
                serving.result()
            except NotReading:
                await self.left()
                raise
        elif error is None:
            await self.left()
        elif self._streaming:
            await self._send_in_time(self.broken_off(error), more_body=False)

    async def _until_ended(self) -> OpenGPTsError:
        """Why the server ends the stream, when it does."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.IDENTITY_CHECK):
                    await told_to_stop()
                    return STOPPING
            if self._user is None:
                continue
            try:
                await in_database_thread(check_still, self._user, self.scope, needs=self.needs)
            except DatabaseFailed as exc:
                logger.warning("whose stream of %s this is cannot be asked now: %s", self.scope["path"], exc)
            except OpenGPTsError as exc:
                return exc

    async def handle(self, body: bytes) -> None:
        try:
            if self.scope["method"] not in self.methods:
                raise OpenGPTsError("Method Not Allowed", code="method_not_allowed")
            stream = await self.open(body)
        except Exception as exc:
            await self._refuse(exc)
            return
        self._streaming = True
        await self.send_headers(headers=STREAM_HEADERS)
        try:
            async for chunk in stream:
                await self._send_in_time(chunk or ping(), more_body=True)
        finally:
            await stream.aclose()
        await self._send_in_time(b"", more_body=False)

    async def _send_in_time(self, body: bytes, *, more_body: bool) -> None:
        """Send some of the stream, when the client has room for it. Raises `NotReading` where that takes too long."""
        for start in range(0, len(body) or 1, PIECE):
            piece = body[start : start + PIECE]
            try:
                async with asyncio.timeout(settings.STREAM_SEND_TIMEOUT):
                    await self.send_body(piece, more_body=more_body or start + PIECE < len(body))
            except TimeoutError as exc:
                raise NotReading from exc

    def identify(self) -> User:
        """Who is asking. Raises what is wrong with that, or with how often they ask or how many streams they have.

        For `open`, which must call it before it does anything, on a database thread.
        """
        self._user = user = admit(self.scope, needs=self.needs)
        self._place.take(user)
        return user

    def header(self, name: bytes) -> str | None:
        """A header of the request, by its name in lower case."""
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), None)

    async def _refuse(self, exc: Exception) -> None:
        error = as_client_error(exc)
        if error.code == "internal_error":
            logger.error("unhandled error in %s %s", self.scope["method"], self.scope["path"], exc_info=exc)
        headers = [(b"Content-Type", b"application/json")]
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        if error.status == 405:
            headers.append((b"Allow", ", ".join(self.methods).encode()))
        text = json.dumps({"detail": error.detail}, ensure_ascii=False, separators=(",", ":"))
        await self.send_response(error.status, text.encode(), headers=headers)


def ping() -> bytes:
    """A comment, which keeps the connection open through proxies."""
    return f": ping - {datetime.now(UTC).replace(tzinfo=None)}\r\n\r\n".encode()
