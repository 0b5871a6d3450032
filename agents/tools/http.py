"""Requests to the fixed public services behind tools: one client, with limits, and errors that a model can read.

Tools that are given a URL by their users do not use this: what they may reach is guarded elsewhere.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from time import monotonic
from typing import Any

import httpx2
from django.conf import settings

from agents.errors import ToolFailed
from agents.language_models.connections import LoopTransport, proxy_for, trusted
from opengpts import VERSION

CONNECT_TIMEOUT = 5.0  # seconds
TIMEOUT = 20.0  # seconds for a request with its redirects, unless its service says otherwise
MAX_BYTES = 4 * 1024 * 1024  # of an answer, unless its service says otherwise
MAX_REDIRECTS = 3
MAX_WAIT = 15.0  # seconds that a request may stand in the queue of a service that wants to be asked slowly
CONNECTIONS = httpx2.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=30.0)


class Pace:
    """Keeps requests `interval` seconds apart, over all threads and event loops of this process."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0
        self._lock = Lock()

    async def wait(self) -> bool:
        """Wait for this request's turn. False, at once, where that would take longer than MAX_WAIT."""
        with self._lock:
            now = monotonic()
            turn = max(now, self._next)
            if turn - now > MAX_WAIT:
                return False
            self._next = turn + self._interval
        await asyncio.sleep(turn - now)
        return True


@dataclass(frozen=True)
class Service:
    """A public service: how people call it, where it is, and how it wants to be asked.

    `refusals` are sentences for statuses that mean something special there; answers with a status in `readable` are
    returned as if they were good. The setting TOOL_URLS may name another server for `key`, which is then asked without
    pauses.
    """

    key: str
    name: str
    url: str
    timeout: float = TIMEOUT
    max_bytes: int = MAX_BYTES
    pace: Pace | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    readable: frozenset[int] = frozenset()

    @property
    def base_url(self) -> str:
        """Where it is asked."""
        return str(settings.TOOL_URLS.get(self.key) or self.url)

    def address(self, path: str) -> str:
        """The address of `path` there; "" is the base URL itself."""
        return self.base_url.rstrip("/") + path if path else self.base_url


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: its status and body, decompressed."""

    service: Service
    status: int
    body: bytes

    def json(self) -> Any:
        """The body, decoded. Raises `ToolFailed` for one that is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise self.nonsense() from exc

    def nonsense(self) -> ToolFailed:
        """The error to raise for a body that is not what the service should answer."""
        return ToolFailed(f"{self.service.name} answered something that cannot be read.")


async def get(service: Service, path: str, params: Mapping[str, Any] | None = None) -> Answer:
    """Ask with GET. Redirects are followed, to https or within the server.

    Raises `ToolFailed` where there is no answer, or one of another status than 2xx or `readable`.
    For a request that carries a key in its headers use `post`: the key must not follow a redirect.
    """
    given = {name: value for name, value in (params or {}).items() if value not in (None, "")}
    client = _client(service.base_url)
    return await _send(service, client, client.build_request("GET", service.address(path), params=given), MAX_REDIRECTS)


async def post(service: Service, path: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> Answer:
    """Ask with POST, `json=` or `data=` as the body. A redirect is a failure. Raises as `get` does."""
    client = _client(service.base_url)
    return await _send(service, client, client.build_request("POST", service.address(path), headers=headers, **body), 0)


async def aclose() -> None:
    """Close the connections of the running event loop. Afterwards the functions here work as before."""
    for transport in list(_transports.values()):
        await transport.aclose()


async def _send(service: Service, client: httpx2.AsyncClient, request: httpx2.Request, redirects: int) -> Answer:
    request.headers["user-agent"] = _user_agent()
    request.extensions["timeout"] = httpx2.Timeout(service.timeout, connect=CONNECT_TIMEOUT).as_dict()
    if service.pace and service.base_url == service.url and not await service.pace.wait():
        raise ToolFailed(f"{service.name} is asked too often just now. Try again later.")
    try:
        async with asyncio.timeout(service.timeout):
            status, headers, body = await _exchange(service, client, request, redirects)
    except (TimeoutError, httpx2.TimeoutException) as exc:
        raise ToolFailed(f"{service.name} did not answer within {service.timeout:g} seconds.") from exc
    except httpx2.HTTPError as exc:
        raise ToolFailed(f"{service.name} could not be reached.") from exc
    if not 200 <= status < 300 and status not in service.readable:
        raise ToolFailed(_refusal(service, status, headers))
    return Answer(service, status, body)


async def _exchange(
    service: Service, client: httpx2.AsyncClient, request: httpx2.Request, redirects: int
) -> tuple[int, httpx2.Headers, bytes]:
    for left in range(redirects, -1, -1):
        response = await client.send(request, stream=True)
        try:
            following = response.next_request
            if following is None or left == 0 or not _may_follow(request.url, following.url):
                return response.status_code, response.headers, await _read(service, response)
        finally:
            await response.aclose()
        request = following
    raise AssertionError("the last round returns")


def _may_follow(origin: httpx2.URL, target: httpx2.URL) -> bool:
    return target.scheme == "https" or (target.scheme, target.netloc) == (origin.scheme, origin.netloc)


async def _read(service: Service, response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > service.max_bytes:
            raise ToolFailed(f"{service.name} answered more than {service.max_bytes // 1024**2} MB.")
    return bytes(body)


def _refusal(service: Service, status: int, headers: httpx2.Headers) -> str:
    if special := service.refusals.get(status):
        return special
    if status == 429:
        wait = headers.get("retry-after", "")
        when = f"in {wait} seconds" if wait.isdigit() and len(wait) < 6 else "later"
        return f"{service.name} says that it is asked too often. Try again {when}."
    if status >= 500:
        return f"{service.name} has a fault of its own ({status}). Try again later."
    if status in (401, 403):
        return f"{service.name} does not let this server in ({status})."
    return f"{service.name} refused the request ({status})."


def _user_agent() -> str:
    """Wikimedia, NCBI and arXiv ask for a name and a way to reach whoever runs this."""
    contact = settings.TOOLS_CONTACT or "self-hosted; no contact given"
    return f"OpenGPTs-on-Django/{VERSION} ({contact}) httpx2/{httpx2.__version__}"


_transports: dict[str, LoopTransport] = {}


@cache
def _client(base_url: str) -> httpx2.AsyncClient:
    """The client for the service there, the same each time, with the environment's proxies. It keeps no cookies."""
    tls, proxy = trusted(), proxy_for(httpx2.URL(base_url))
    transport = LoopTransport(lambda: httpx2.AsyncHTTPTransport(verify=tls, limits=CONNECTIONS, proxy=proxy))
    _transports[base_url] = transport
    # One user's cookies would go with another's questions.
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))
    return httpx2.AsyncClient(transport=transport, cookies=no_cookies, follow_redirects=False)
