"""Django under ASGI, with each request answered whole by one thread of a pool that lasts.

Django's own handler makes a new thread for every request, and hops between it and the event loop for every
layer that is not async; none of ours is. Answering `GET /ok` took it 3.2 ms where the work itself is 0.1 ms.
Here a request crosses to a thread once and comes back with its response. The threads last, so their database
connections may, too.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import JsonResponse
from django.urls import set_script_prefix

from opengpts.errors import OpenGPTsError
from opengpts.later import Later
from opengpts.request_body import Disconnected, receive_body, until_disconnected

# Uploads that are taken apart and stored at once. Each takes a thread for seconds, so they have threads of their own.
UPLOAD_THREADS = 2


class ThreadPoolHandler(ASGIHandler):
    """An ASGI application that serves HTTP from Django's sync views and middleware."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(settings.REQUEST_THREADS, thread_name_prefix="request")
        self._upload_threads = ThreadPoolExecutor(UPLOAD_THREADS, thread_name_prefix="upload")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request. Once it has been read it is answered to the end, whether or not the client waits.

        Not one that is answered `Later`: nobody need wait for what nobody is told.
        """
        await self._serve(scope, receive, send, self._threads, "MAX_BODY_BYTES")

    async def take_upload(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The same for an address that files are uploaded to: what is posted may have INGEST_MAX_REQUEST_BYTES."""
        if scope["method"] == "POST":
            await self._serve(scope, receive, send, self._upload_threads, "INGEST_MAX_REQUEST_BYTES")
        else:
            await self(scope, receive, send)

    async def _serve(
        self, scope: dict[str, Any], receive: Any, send: Any, threads: ThreadPoolExecutor, limit: str
    ) -> None:
        try:
            body = await receive_body(receive, limit=getattr(settings, limit), setting=limit)
        except Disconnected:
            return
        except OpenGPTsError as exc:
            await self.send_response(JsonResponse({"detail": exc.detail}, status=exc.status), send)
            return
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(threads, self._answer, scope, body)
        if isinstance(response, Later):
            outcome = await response.wait(until_disconnected(receive))
            if outcome is None:
                body.close()
                return
            response = await loop.run_in_executor(self._threads, self._finish, response, outcome)
        if response.streaming and not response.is_async:
            response.streaming_content = self._pull(response.streaming_content)
        try:
            await self.send_response(response, send)
        finally:
            body.close()
            if response.streaming:
                await loop.run_in_executor(self._threads, response.close)

    def _answer(self, scope: dict[str, Any], body: IO[bytes]) -> Any:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = refusal if request is None else self.get_response(request)
        response._handler_class = self.__class__
        if not response.streaming:
            # Says that the request is over, which frees this thread's connection, where it was used.
            response.close()
        return response

    def _finish(self, later: Later, outcome: Any) -> Any:
        response = later.respond(outcome)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        response.close()
        return response

    async def _pull(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (chunk := await loop.run_in_executor(self._threads, next, chunks, None)) is not None:
            yield chunk
