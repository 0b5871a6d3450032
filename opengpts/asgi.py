"""The ASGI application: HTTP and WebSockets by Django and Channels, and beside them runs, documents and schedules."""

import logging
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opengpts.settings.production")

from opengpts.gate import answer, refuse_at_gate, refuse_socket_at_gate
from opengpts.routing import http, websocket  # sets Django up, which the others need

# isort: split
from knowledge.worker import worker
from opengpts.cross_origin import allow_other_origins
from opengpts.cutting_off import remember_server
from opengpts.errors import INTERNAL_ERROR
from opengpts.security_headers import with_security_headers
from opengpts.stopping import watch_signals
from personal_data.upkeep import upkeep
from runs.executors import executor
from schedules.ticker import ticker

logger = logging.getLogger(__name__)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one connection, or the server's lifespan.

    uvicorn tells when it starts and stops (the lifespan protocol). daphne does not, so what
    works in the background also starts with the first request.
    """
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    executor().ensure_started()
    worker.ensure_started()
    ticker.ensure_started()
    upkeep.ensure_started()
    remember_server(scope, send)
    send = with_security_headers(scope, send)
    if scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "websocket" and not await refuse_socket_at_gate(scope, receive, send):
        await websocket(scope, receive, send)


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request, also where something has gone wrong that nothing else caught."""
    begun = False

    async def send_noting(message: Any) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        if not await refuse_at_gate(scope, send_noting):
            await http(scope, receive, send_noting)
    except Exception as exc:
        if begun:
            raise
        logger.error("unhandled error in %s %s", scope["method"], scope["path"], exc_info=exc)
        await answer(send, 500, INTERNAL_ERROR)


_http = allow_other_origins(_answer)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            watch_signals()
            executor().ensure_started()
            worker.ensure_started()
            ticker.ensure_started()
            upkeep.ensure_started()
            await send({"type": "lifespan.startup.complete"})
        else:
            await upkeep.stop()
            await ticker.stop()
            await worker.stop()
            await executor().stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
