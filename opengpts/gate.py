"""What every HTTP request must pass before Django or a consumer sees it.

Django's middleware asks the same of what Django answers; the streams of consumers never come by there.
"""

import re
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

NOT_OURS = b'{"detail":"This server does not answer to that name. Its names are in ALLOWED_HOSTS."}'
TOO_LONG = b'{"detail":"The address is longer than this server takes (MAX_URL_BYTES)."}'
TOO_MUCH = b'{"detail":"The headers are larger than this server takes (MAX_HEADER_BYTES)."}'
JSON = (b"content-type", b"application/json")
# What consumers answer.
_STREAMS = re.compile(r"/(?:runs/.*stream|threads/.*/stream(?:/events)?)/?")


async def refuse_at_gate(scope: dict[str, Any], send: Any) -> bool:
    """Answer a request that says too much, names another host, or must come over HTTPS. False for any other."""
    if _is_long(scope):
        await _answer(send, 414, TOO_LONG, JSON)
        return True
    if _is_large(scope):
        await _answer(send, 431, TOO_MUCH, JSON)
        return True
    headers = dict(scope["headers"])
    if not _is_ours(headers):
        await _answer(send, 400, NOT_OURS, JSON)
        return True
    if settings.SECURE_SSL_REDIRECT and _STREAMS.fullmatch(scope["path"]) and not _is_secure(scope, headers):
        host = headers[b"host"].decode("latin-1")
        await _answer(send, 301, b"", (b"location", f"https://{host}{scope['path']}".encode("latin-1")))
        return True
    return False


async def refuse_socket_at_gate(scope: dict[str, Any], receive: Any, send: Any) -> bool:
    """The same for a WebSocket, whose handshake is refused with 403."""
    headers = dict(scope["headers"])
    fits = not _is_long(scope) and not _is_large(scope)
    if fits and _is_ours(headers) and (not settings.SECURE_SSL_REDIRECT or _is_secure(scope, headers)):
        return False
    await receive()
    await send({"type": "websocket.close"})
    return True


def _is_long(scope: dict[str, Any]) -> bool:
    # The path as it was sent, where the server tells it: decoded it may be a third as long.
    path = scope.get("raw_path") or scope["path"].encode(errors="replace")
    return len(path) + len(scope.get("query_string", b"")) > settings.MAX_URL_BYTES


def _is_large(scope: dict[str, Any]) -> bool:
    return sum(len(name) + len(value) for name, value in scope["headers"]) > settings.MAX_HEADER_BYTES


def _is_ours(headers: dict[bytes, bytes]) -> bool:
    domain, _ = split_domain_port(headers.get(b"host", b"").decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _is_secure(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        told = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        return told is not None and told.decode("latin-1").split(",")[0].strip() == value
    return scope.get("scheme") in ("https", "wss")


async def _answer(send: Any, status: int, body: bytes, header: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [header, length]})
    await send({"type": "http.response.body", "body": body})
