"""HTTP connections to the providers of models, shared by all models of one provider."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from threading import Lock
from urllib.request import getproxies, proxy_bypass

import httpx2
import openai

from agents.language_models.delta_merging import DeltaMergingTransport

# Where OpenAI's own API is, for those whose base URL is not set.
OPENAI_URL = "https://api.openai.com/v1"


class LoopTransport(httpx2.AsyncBaseTransport):
    """Sends requests through a transport of the running event loop, made by `make` at its first request.

    Connections cannot leave the loop that opened them; models are kept for longer than a loop.
    """

    def __init__(self, make: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        self._make = make
        self._transports: dict[asyncio.AbstractEventLoop, httpx2.AsyncBaseTransport] = {}
        self._lock = Lock()  # loops run in threads

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._of_this_loop().handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the running loop's connections, and no other's. Afterwards this can be used as before."""
        with self._lock:
            transport = self._transports.pop(asyncio.get_running_loop(), None)
        if transport is not None:
            await transport.aclose()

    def _of_this_loop(self) -> httpx2.AsyncBaseTransport:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._transports:
                # Loops that ended without `aclose`: nobody can close their connections any more.
                self._transports = {loop: kept for loop, kept in self._transports.items() if not loop.is_closed()}
                self._transports[loop] = self._make()
            return self._transports[loop]


@dataclass(frozen=True)
class Connections:
    """The clients for one provider, with openai's own limits and timeouts, and the environment's proxies."""

    blocking: httpx2.Client
    asynchronous: httpx2.AsyncClient
    _blocking_transport: httpx2.HTTPTransport
    _asynchronous_transport: httpx2.AsyncBaseTransport

    async def aclose(self) -> None:
        """Closes the connections of blocking callers and of the running event loop. The clients stay usable."""
        self._blocking_transport.close()
        await self._asynchronous_transport.aclose()


_opened: dict[str, Connections] = {}


def connections_to(base_url: str) -> Connections:
    """The clients for the provider at `base_url`, the same each time. They may be used from any loop and thread."""
    if base_url not in _opened:
        _opened[base_url] = _connect(base_url)
    return _opened[base_url]


async def aclose() -> None:
    """`Connections.aclose` for all providers."""
    for connections in list(_opened.values()):
        await connections.aclose()


def _connect(base_url: str) -> Connections:
    # A client that is given its transport leaves its other options to it.
    tls, limits, proxy = trusted(), openai.DEFAULT_CONNECTION_LIMITS, proxy_for(httpx2.URL(base_url))
    blocking = httpx2.HTTPTransport(verify=tls, limits=limits, proxy=proxy)
    asynchronous = DeltaMergingTransport(
        LoopTransport(lambda: httpx2.AsyncHTTPTransport(verify=tls, limits=limits, proxy=proxy))
    )
    return Connections(
        openai.DefaultHttpxClient(transport=blocking),
        openai.DefaultAsyncHttpxClient(transport=asynchronous),
        blocking,
        asynchronous,
    )


@cache
def trusted() -> SSLContext:
    """The certificates to trust. To read them takes longer than all else here."""
    return httpx2.create_ssl_context()


def proxy_for(url: httpx2.URL) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY, …) or the system names for `url`."""
    if proxy_bypass(url.netloc.decode()):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None
