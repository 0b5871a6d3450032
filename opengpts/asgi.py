"""The ASGI application: HTTP and WebSockets by Django and Channels, and beside them runs, documents and schedules."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opengpts.settings.production")

from opengpts.gate import refuse_at_gate, refuse_socket_at_gate
from opengpts.routing import http, websocket  # sets Django up, which the others need

# isort: split
from knowledge.worker import worker
from opengpts.stopping import watch_signals
from personal_data.upkeep import upkeep
from runs.executors import executor
from schedules.ticker import ticker


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
    if scope["type"] == "http":
        if not await refuse_at_gate(scope, send):
            await http(scope, receive, send)
    elif scope["type"] == "websocket" and not await refuse_socket_at_gate(scope, receive, send):
        await websocket(scope, receive, send)


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
