"""Reading a request's body from an ASGI connection, up to a limit."""

import asyncio
import tempfile
from typing import IO, Any

from django.conf import settings

from opengpts.errors import TooLarge, TooSlow

# Bytes kept in memory; what is longer goes through a temporary file.
MAX_IN_MEMORY = 1024 * 1024


class Disconnected(Exception):
    """The client went away before its request was whole."""


async def receive_body(receive: Any, *, limit: int, setting: str = "MAX_BODY_BYTES") -> IO[bytes]:
    """The body, as a file that the caller closes, read from its start.

    Raises `TooLarge` as soon as more than `limit` bytes have come, naming the `setting`, `TooSlow` when no more came
    for BODY_TIMEOUT seconds, `Disconnected` when the client has gone.
    """
    body = tempfile.SpooledTemporaryFile(max_size=MAX_IN_MEMORY)  # noqa: SIM115  (the caller closes it)
    size = 0
    try:
        while True:
            try:
                async with asyncio.timeout(settings.BODY_TIMEOUT):
                    message = await receive()
            except TimeoutError:
                raise TooSlow(f"Nothing more of the body has come for {settings.BODY_TIMEOUT:g} seconds.") from None
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"The request body is larger than this server takes: {limit} bytes ({setting}).")
            body.write(chunk)
            if not message.get("more_body", False):
                body.seek(0)
                return body
    except BaseException:
        body.close()
        raise


async def until_disconnected(receive: Any) -> None:
    """Return when the client has gone away. For after the body."""
    while (await receive())["type"] != "http.disconnect":
        continue
