"""The one way out: an httpx transport that connects only where this server may, for so long and to so much."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import httpcore
import httpx

from agents.outgoing.addresses import AllowList, Resolver, callable_addresses, resolve
from agents.outgoing.errors import OutgoingError
from agents.outgoing.inflation import Inflater, TooMuch
from agents.outgoing.redirects import place, redirected
from agents.outgoing.urls import check_parts

# Of the addresses of one host.
_ADDRESSES_TRIED = 3
_CONNECT_SECONDS = 10.0
_CONNECTIONS = 8
_CHARSETS = {
    *("utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be"),
    *("iso-8859-1", "latin1", "latin-1", "iso-8859-15", "windows-1252", "cp1252"),
    *("windows-1251", "koi8-r", "shift_jis", "euc-jp", "euc-kr", "gb2312", "gbk", "gb18030", "big5"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost. `seconds` is for all that it does, from its first request; `bytes` for each answer's
    body, unpacked."""

    seconds: float = 30.0
    bytes: int = 4 * 1024 * 1024
    redirects: int = 5


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very addresses that were checked. TLS and the Host header still name the host."""

    def __init__(self, allowed: AllowList, resolve: Resolver) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await callable_addresses(host, port, allowed=self._allowed, resolve=self._resolve)
        failed: Exception | None = None
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
        raise httpcore.ConnectError from failed

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.UnsupportedProtocol("no Unix sockets")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Every failure is an `OutgoingError`. It belongs to one event loop and is for one exchange of a few requests.

    `on_failure` is told the method and the error of each request that fails, before it is raised: some libraries
    keep it to themselves.
    """

    def __init__(
        self,
        limits: Limits,
        allowed: AllowList,
        *,
        resolve: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        on_failure: Callable[[str, OutgoingError], None] | None = None,
    ) -> None:
        self._limits = limits
        self._ends: float | None = None
        self._on_failure = on_failure
        # Made here and not by httpx, which has no place for a backend, and no proxies: they would resolve for us.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _tls(),
            max_connections=_CONNECTIONS,
            http1=True,
            http2=False,
            network_backend=PinnedBackend(allowed, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._ends is None:
            self._ends = asyncio.get_running_loop().time() + self._limits.seconds
        with self._explained(request):
            for _ in range(self._limits.redirects + 1):
                response = await self._exchange(request)
                try:
                    onward = redirected(request, response)
                except OutgoingError:
                    await response.aclose()
                    raise
                if onward is None:
                    return response
                await response.aclose()
                request = onward
            raise OutgoingError(f"{place(request.url)} redirects more than {self._limits.redirects} times.")

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        try:
            check_parts(url.scheme, url.raw_host.decode(), url.port, userinfo=bool(url.userinfo))
        except ValueError as exc:
            raise OutgoingError(f"The address {exc}.") from None
        request.headers["accept-encoding"] = "gzip"
        async with asyncio.timeout_at(self._ends):
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={"timeout": {"connect": _CONNECT_SECONDS}},
                )
            )
        headers = httpx.Headers(answer.headers)
        if "content-type" in headers:
            headers["content-type"] = _without_odd_charset(headers["content-type"])
        encoding = headers.pop("content-encoding", "identity").strip().lower()
        body = _Body(self, request, answer, packed=encoding in ("gzip", "x-gzip"))
        if encoding not in ("gzip", "x-gzip", "identity", ""):
            await body.aclose()
            raise OutgoingError(f"{place(url)} answers in an encoding that was not asked for.")
        return httpx.Response(answer.status, headers=headers, stream=body)

    @contextmanager
    def _explained(self, request: httpx.Request) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            error = exc if isinstance(exc, OutgoingError) else _explain(exc, place(request.url), self._limits)
            if error is None:
                raise
            if self._on_failure:
                self._on_failure(request.method, error)
            if error is exc:
                raise
            raise error from exc


class _Body(httpx.AsyncByteStream):
    """An answer's body, unpacked, within the limits."""

    def __init__(
        self, transport: GuardedTransport, request: httpx.Request, answer: httpcore.Response, *, packed: bool
    ) -> None:
        self._transport = transport
        self._request = request
        self._answer = answer
        self._inflater = Inflater(transport._limits.bytes) if packed else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._transport._limits.bytes
        stream = self._answer.stream
        assert not isinstance(stream, Iterable)
        pieces = aiter(stream)
        while True:
            with self._transport._explained(self._request):
                async with asyncio.timeout_at(self._transport._ends):
                    piece = await anext(pieces, None)
                if piece is None:
                    if self._inflater:
                        self._inflater.finish()
                    return
                left -= len(piece)
                if left < 0:
                    raise TooMuch
                unpacked = self._inflater.feed(piece) if self._inflater else piece
            if unpacked:
                yield unpacked

    async def aclose(self) -> None:
        await self._answer.aclose()


def _explain(exc: Exception, host: str, limits: Limits) -> OutgoingError | None:
    """The error to tell about an `exc` on the way to `host`; None for what is no error of the network."""
    match exc:
        case TimeoutError() | httpcore.TimeoutException():
            return OutgoingError(f"{host} did not answer in time.")
        case TooMuch():
            return OutgoingError(f"{host} sent more than {limits.bytes // 1024} KiB.")
        case zlib.error():
            return OutgoingError(f"{host} sent an answer that cannot be unpacked.")
        # httpcore's pool takes the cause away, and leaves the context.
        case httpcore.ConnectError() if isinstance(exc.__context__, ssl.SSLError):
            return OutgoingError(f"The TLS certificate of {host} is not valid for it, or not trusted.")
        case httpcore.ConnectError():
            return OutgoingError(f"{host} could not be reached.")
        case httpcore.LocalProtocolError():
            return OutgoingError(f"The request to {host} cannot be sent: a header or the address is malformed.")
        case httpcore.NetworkError() | httpcore.ProtocolError() | httpcore.UnsupportedProtocol() | ssl.SSLError():
            return OutgoingError(f"The connection to {host} broke before the answer was complete.")
    return None


def _without_odd_charset(content_type: str) -> str:
    """Without the charset where it is none of text: Python takes "zlib" for one, and would unpack a bomb by it."""
    media_type, *parameters = content_type.split(";")
    charsets = [text for text in parameters if text.strip().lower().startswith("charset=")]
    if all(text.partition("=")[2].strip(" \"'").lower() in _CHARSETS for text in charsets):
        return content_type
    return media_type


@cache
def _tls() -> ssl.SSLContext:
    """The certificates to trust: certifi's, or those that SSL_CERT_FILE or SSL_CERT_DIR name."""
    return httpx.create_ssl_context()
