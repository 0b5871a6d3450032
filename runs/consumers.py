"""Streams of runs to clients. A client that goes away ends its stream, never the run."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from channels.generic.http import AsyncHttpConsumer
from django.conf import settings

from opengpts.auth import identify_scope
from opengpts.bodies import parse_body
from opengpts.db import in_database_thread
from opengpts.error_responses import as_client_error
from opengpts.errors import OpenGPTsError
from opengpts.lookup import parse_id
from opengpts.request_body import Disconnected, receive_body
from opengpts.stopping import told_to_stop
from runs.event_log import event_log
from runs.executor import executor
from runs.models import Run
from runs.opengpts_stream import OpenGPTsProjection, encode_event, ending_of, error_event
from runs.schemas import RunBody
from runs.services import create_run

Receive = Callable[[], Any]

# Seconds between two events of one stream at least. Each says everything so far, so what came in between is in the
# next one: a model faster than people read costs no more than one they can follow. The first is never held back.
FRAME = 0.01

logger = logging.getLogger(__name__)

NOSNIFF = (b"X-Content-Type-Options", b"nosniff")
STREAM_HEADERS = [
    NOSNIFF,
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-cache"),
    # Tells nginx to pass each event on at once.
    (b"X-Accel-Buffering", b"no"),
]


STOPPING = OpenGPTsError("The server is stopping. The run goes on when it is back.", code="server_stopping")


class RunStreamConsumer(AsyncHttpConsumer):
    """`POST /runs/stream`: start a run and watch it, as server-sent events in OpenGPTs' form."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Callable[..., Any]) -> None:
        """Answer one request. The stream is given up when the client is gone, and ended when the server stops."""
        self.scope, self.base_send = scope, send
        self._streaming = False
        try:
            with await receive_body(receive, limit=settings.MAX_BODY_BYTES) as file:
                body = file.read()
        except Disconnected:
            return
        except OpenGPTsError as exc:
            await self._refuse(exc)
            return
        serving = asyncio.ensure_future(self.handle(body))
        leaving = asyncio.ensure_future(_until_disconnected(receive))
        stopping = asyncio.ensure_future(told_to_stop())
        try:
            await asyncio.wait({serving, leaving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopped = stopping.done() and not leaving.done()
        finally:
            for task in (serving, leaving, stopping):
                task.cancel()
        await asyncio.gather(serving, leaving, stopping, return_exceptions=True)
        if not serving.cancelled():
            serving.result()
        elif stopped and self._streaming:
            await self.send_body(error_event(STOPPING) + encode_event("end"), more_body=False)

    async def handle(self, body: bytes) -> None:
        if self.scope["method"] != "POST":
            await self._refuse(OpenGPTsError("Method Not Allowed", code="method_not_allowed"))
            return
        try:
            run, after = await in_database_thread(self._create, body)
        except Exception as exc:
            await self._refuse(exc)
            return
        executor.wake()
        self._streaming = True
        await self.send_headers(headers=STREAM_HEADERS)
        await self.send_body(encode_event("metadata", {"run_id": str(run.pk)}), more_body=True)
        await self._stream(run, after)

    def _create(self, body: bytes) -> tuple[Run, int]:
        user = identify_scope(self.scope)
        request = parse_body(RunBody, body, _header(self.scope, b"content-type"))
        # Where the log stands before there is a run: a free executor may take it up before this returns.
        after = event_log.last_seq(parse_id(request.thread_id, what="Thread"))
        return create_run(owner=user, body=request), after

    async def _stream(self, run: Run, after: int) -> None:
        projection = OpenGPTsProjection()
        batches = event_log.read(run.thread_id, after=after)
        waiting: asyncio.Future[Any] | None = None
        try:
            while not projection.ended:
                waiting = waiting or asyncio.ensure_future(anext(batches))
                done, _ = await asyncio.wait({waiting}, timeout=settings.STREAM_HEARTBEAT)
                if not done:
                    await self.send_body(_ping(), more_body=True)
                    # The log of another process, which may have taken the run over, is not to be read here.
                    if ending := await in_database_thread(ending_of, run=run):
                        await self.send_body(b"".join(ending), more_body=True)
                        break
                    continue
                batch, waiting = waiting.result(), None
                if batch.gap:
                    projection.skip()
                events = projection.project(entry for entry in batch.entries if entry.run_id == run.pk)
                if events:
                    await self.send_body(b"".join(events), more_body=True)
                    if not projection.ended:
                        await asyncio.sleep(FRAME)
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await batches.aclose()
        await self.send_body(b"", more_body=False)

    async def _refuse(self, exc: Exception) -> None:
        error = as_client_error(exc)
        if error.code == "internal_error":
            logger.error("unhandled error in POST /runs/stream", exc_info=exc)
        headers = [(b"Content-Type", b"application/json"), NOSNIFF]
        if error.status == 401:
            headers.append((b"WWW-Authenticate", b"Bearer"))
        if error.status == 405:
            headers.append((b"Allow", b"POST"))
        text = json.dumps({"detail": error.detail}, ensure_ascii=False, separators=(",", ":"))
        await self.send_response(error.status, text.encode(), headers=headers)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _header(scope: dict[str, Any], name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _ping() -> bytes:
    return f": ping - {datetime.now(UTC).replace(tzinfo=None)}\r\n\r\n".encode()
