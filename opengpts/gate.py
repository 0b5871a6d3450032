"""What every HTTP request must pass before Django or a consumer sees it.

Django's middleware asks the same of what Django answers; the streams of consumers never come by there.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http.request import split_domain_port, validate_host

NOT_OURS = "This server does not answer to that name. Its names are in ALLOWED_HOSTS."
NOT_SECURE = "This server is reached by wss only."
TOO_LONG = "The address is longer than this server takes (MAX_URL_BYTES)."
TOO_MUCH = "The headers are larger than this server takes (MAX_HEADER_BYTES)."
# What consumers answer.
_STREAMS = re.compile(r"/(?:runs/.*stream|threads/.*/stream(?:/events)?)/?", re.DOTALL)


async def refuse_at_gate(scope: dict[str, Any], send: Any) -> bool:
    """Answer a request that says too much, names another host, or must come over HTTPS. False for any other."""
    if _is_long(scope):
        await answer(send, 414, TOO_LONG)
        return True
    if _is_large(scope):
        await answer(send, 431, TOO_MUCH)
        return True
    headers = dict(scope["headers"])
    if not _is_ours(headers):
        await answer(send, 400, NOT_OURS)
        return True
    if settings.SECURE_SSL_REDIRECT and _STREAMS.fullmatch(scope["path"]) and not is_secure(scope):
        host = headers[b"host"].decode("latin-1")
        await answer(send, 301, "See Location.", location=f"https://{host}{quote(scope['path'])}")
        return True
    return False


async def refuse_socket_at_gate(scope: dict[str, Any], receive: Any, send: Any) -> bool:
    """The same for a WebSocket, whose handshake is refused: with the reason where the server can send one."""
    reason = _reason_against(scope)
    if reason is None:
        return False
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await answer(send, 403, reason, kind="websocket.http.response")
    else:
        await send({"type": "websocket.close"})
    return True


def _reason_against(scope: Mapping[str, Any]) -> str | None:
    """Why a WebSocket is refused; None where nothing speaks against it."""
    if _is_long(scope):
        return TOO_LONG
    if _is_large(scope):
        return TOO_MUCH
    if not _is_ours(dict(scope["headers"])):
        return NOT_OURS
    return NOT_SECURE if settings.SECURE_SSL_REDIRECT and not is_secure(scope) else None


def is_secure(scope: Mapping[str, Any]) -> bool:
    """Whether a connection came over HTTPS: as the server knows, or as the proxy says that is trusted to."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        key = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        told = dict(scope["headers"]).get(key)
        return told is not None and told.decode("latin-1").split(",")[0].strip() == value
    return scope.get("scheme") in ("https", "wss")


async def answer(send: Any, status: int, detail: str, *, kind: str = "http.response", **headers: str) -> None:
    """Answer with `detail`, as errors of the API do, where neither Django nor a consumer will."""
    body = json.dumps({"detail": detail}, separators=(",", ":")).encode()
    said = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
    await send({"type": f"{kind}.start", "status": status, "headers": encoded})
    await send({"type": f"{kind}.body", "body": body})


def _is_long(scope: Mapping[str, Any]) -> bool:
    # The path as it was sent, where the server tells it: decoded it may be a third as long.
    path = scope.get("raw_path") or scope["path"].encode(errors="replace")
    return len(path) + len(scope.get("query_string", b"")) > settings.MAX_URL_BYTES


def _is_large(scope: Mapping[str, Any]) -> bool:
    return sum(len(name) + len(value) for name, value in scope["headers"]) > settings.MAX_HEADER_BYTES


def _is_ours(headers: dict[bytes, bytes]) -> bool:
    domain, _ = split_domain_port(headers.get(b"host", b"").decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
