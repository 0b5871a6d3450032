"""Ending a connection at once, where its client does not read what it was sent.

ASGI has no word for it, and a server that closes a connection waits until the client has read everything. What uvicorn
gives an application to send with is a method of what has the transport; daphne's has none.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

_SEND = "opengpts.servers_send"


def remember_server(scope: MutableMapping[str, Any], send: Any) -> None:
    """Keep in `scope` what the server sends with, before anything of ours is put around it."""
    scope[_SEND] = send


def cut_off(scope: Mapping[str, Any]) -> None:
    """End the connection of `scope` at once, where the server lets us."""
    transport = getattr(getattr(scope.get(_SEND), "__self__", None), "transport", None)
    if abort := getattr(transport, "abort", None):
        abort()
