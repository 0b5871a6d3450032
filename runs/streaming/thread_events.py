"""`POST /threads/{id}/stream/events`: a thread's events in the Agent Streaming Protocol, as server-sent events."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

from django.conf import settings

from accounts.models import User
from opengpts.auth import Scope
from opengpts.bodies import parse_body
from opengpts.db import in_database_thread
from opengpts.errors import OpenGPTsError
from opengpts.lookup import find
from runs.event_log import LogUnavailable
from runs.streaming.feed import Feed
from runs.streaming.http import STOPPING, EventStreamConsumer
from runs.streaming.subscriptions import SubscribeBody, Subscription, error_frame
from threads.models import Thread

logger = logging.getLogger(__name__)

LOG_AWAY = "The events cannot be reached now. The run goes on; come back with the last seq as since."


class ThreadEventsConsumer(EventStreamConsumer):
    """One connection is one subscription: it ends when the client leaves, and never because a run has."""

    methods = ("POST",)
    needs = Scope.READ

    async def open(self, body: bytes) -> AsyncGenerator[bytes, None]:
        owner, thread, request = await in_database_thread(self._check, body)
        return self._stream(owner, thread, request)

    def broken_off(self, error: OpenGPTsError) -> bytes:
        code = error.code if error is STOPPING else "permission_denied"
        return _encode(json.dumps(error_frame(None, code, error.message)))

    def _check(self, body: bytes) -> tuple[User, Thread, SubscribeBody]:
        owner = self.identify()
        thread = find(Thread.objects.owned_by(owner), self.scope["url_route"]["kwargs"]["thread_id"], what="Thread")
        return owner, thread, parse_body(SubscribeBody, body, self.header(b"content-type"))

    async def _stream(self, owner: User, thread: Thread, request: SubscribeBody) -> AsyncGenerator[bytes, None]:
        # Of one place: the feed reads on when what it gave has been sent.
        frames: asyncio.Queue[list[str]] = asyncio.Queue(maxsize=1)
        feed = Feed(thread.pk, owner, frames.put)
        feed.subscribe(Subscription.of(request), since=request.since)
        feeding = asyncio.ensure_future(feed.run())
        waiting: asyncio.Future[list[str]] | None = None
        try:
            # At once: clients wait for the first byte to know that they are heard.
            yield b": open\n\n"
            while True:
                waiting = waiting or asyncio.ensure_future(frames.get())
                tasks: set[asyncio.Future[Any]] = {waiting, feeding}
                await asyncio.wait(tasks, timeout=settings.STREAM_HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    events, waiting = waiting.result(), None
                    yield b"".join(map(_encode, events))
                elif feeding.done():
                    feeding.result()
                elif await in_database_thread(Thread.objects.owned_by(owner).filter(pk=thread.pk).exists):
                    yield b""
                else:
                    yield _encode(json.dumps(error_frame(None, "permission_denied", "The thread was deleted.")))
                    return
        except LogUnavailable as exc:
            logger.warning("a stream of thread %s is broken off: %s", thread.pk, exc)
            yield _encode(json.dumps(error_frame(None, "unknown_error", LOG_AWAY)))
        finally:
            left: list[asyncio.Future[Any]] = [feeding, *([waiting] if waiting else [])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def _encode(frame: str) -> bytes:
    """An event as a server-sent one. Its number is the id, for clients that resume by that."""
    seq = frame.partition('"seq":')[2].partition(",")[0]
    return (f"id: {seq}\ndata: {frame}\n\n" if seq.isdigit() else f"data: {frame}\n\n").encode(errors="replace")
