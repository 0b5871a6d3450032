"""Responses that take a while, without a thread that waits for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpResponse, JsonResponse

from opengpts.error_responses import as_client_error
from opengpts.errors import OpenGPTsError
from opengpts.stopping import told_to_stop

logger = logging.getLogger(__name__)


class Later(HttpResponse):
    """What a view returns that has begun something and answers with its end.

    `opengpts.handler` frees the view's thread, awaits `begun` on the event loop, and sends what `answer` returns, which
    is called on a thread again, as JSON. An error that `answer` raises becomes the response that it would be elsewhere.
    When the server is stopped first, `stopping` is the response.
    """

    def __init__(
        self, begun: Callable[[], Awaitable[None]], answer: Callable[[], Any], *, stopping: OpenGPTsError
    ) -> None:
        super().__init__()
        self._begun, self._answer, self._stopping = begun, answer, stopping

    async def wait(self, left: Awaitable[None]) -> bool | None:
        """Return when what was begun has ended: True; or False where the server is to stop before.

        None where `left` is done first: the client has gone away.
        """
        tasks = [asyncio.ensure_future(waiting) for waiting in (self._begun(), told_to_stop(), left)]
        begun, stopping, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                begun.result()
                return True
            return False if stopping.done() else None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def respond(self, ended: bool) -> HttpResponse:
        """The response, with the headers that this one was given on its way out of Django."""
        try:
            if not ended:
                raise self._stopping
            response = JsonResponse(self._answer(), safe=False, json_dumps_params={"separators": (",", ":")})
        except Exception as exc:
            error = as_client_error(exc)
            if error.code == "internal_error":
                logger.error("unhandled error", exc_info=exc)
            response = JsonResponse({"detail": error.detail}, status=error.status)
        response.headers["Content-Length"] = str(len(response.content))
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response
