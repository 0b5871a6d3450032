"""What every HTTP request must pass before Django or a consumer sees it.

Django's middleware asks the same of what Django answers; the streams of consumers never come by there.
"""

from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

NOT_OURS = b'{"detail":"This server does not answer to that name. Its names are in ALLOWED_HOSTS."}'


async def refuse_at_gate(scope: dict[str, Any], send: Any) -> bool:
    """Answer a request that names another host, or must come over HTTPS. False where nothing speaks against it."""
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1")
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        await _answer(send, 400, NOT_OURS, (b"content-type", b"application/json"))
        return True
    if settings.SECURE_SSL_REDIRECT and scope["path"].startswith("/runs/stream") and not _is_secure(scope, headers):
        await _answer(send, 301, b"", (b"location", f"https://{host}{scope['path']}".encode("latin-1")))
        return True
    return False


def _is_secure(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        told = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        return told is not None and told.decode("latin-1").split(",")[0].strip() == value
    return bool(scope.get("scheme") == "https")


async def _answer(send: Any, status: int, body: bytes, header: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [header, length]})
    await send({"type": "http.response.body", "body": body})
