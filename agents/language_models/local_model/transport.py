"""Makes the local model look like any OpenAI server: starts it for a request, and finds it wherever it listens."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import NoReturn

import httpx2

from agents.errors import ModelFailed
from agents.language_models.local_model.supervisor import Supervisor

logger = logging.getLogger(__name__)

_BROKE = "The local model stopped in the middle of its answer. Try again."
_SILENT = "The local model did not answer in time. Try again, or shorten the conversation."
_TRIES = 2


class LocalModelTransport(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Sends every request to the process that `supervisor` finds, whatever host the request names.

    When the connection breaks before the response has begun, the request is sent once more, to a new process if the
    old one is gone. Raises `ModelUnavailable` when the model cannot be started, `ModelFailed` when it breaks off or
    is silent for too long.

    Each request has a connection of its own. On loopback that costs a fraction of a millisecond, and it makes this
    usable from any event loop and thread; closing the response closes it, which makes the model stop.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        failed: str | None = None
        for attempt in range(1, _TRIES + 1):
            url = await self._supervisor.aurl(failed=failed)
            connection = httpx2.AsyncHTTPTransport(verify=False, trust_env=False)
            try:
                response = await connection.handle_async_request(_addressed_to(url, request))
            except BaseException as exc:
                await connection.aclose()
                _raise_unless_worth_a_retry(exc, attempt)
                failed = url
                continue
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            return _with_stream(response, _AsyncAnswer(response.stream, connection))
        raise AssertionError("the last attempt returns or raises")

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        failed: str | None = None
        for attempt in range(1, _TRIES + 1):
            url = self._supervisor.url(failed=failed)
            connection = httpx2.HTTPTransport(verify=False, trust_env=False)
            try:
                response = connection.handle_request(_addressed_to(url, request))
            except BaseException as exc:
                connection.close()
                _raise_unless_worth_a_retry(exc, attempt)
                failed = url
                continue
            assert isinstance(response.stream, httpx2.SyncByteStream)
            return _with_stream(response, _Answer(response.stream, connection))
        raise AssertionError("the last attempt returns or raises")


class _AsyncAnswer(httpx2.AsyncByteStream):
    """The body of a response, which closes its connection with itself."""

    def __init__(self, stream: httpx2.AsyncByteStream, connection: httpx2.AsyncHTTPTransport) -> None:
        self._stream = stream
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except httpx2.TransportError as exc:
            _raise_broken(exc)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            await self._connection.aclose()


class _Answer(httpx2.SyncByteStream):
    """`_AsyncAnswer` for blocking callers."""

    def __init__(self, stream: httpx2.SyncByteStream, connection: httpx2.HTTPTransport) -> None:
        self._stream = stream
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except httpx2.TransportError as exc:
            _raise_broken(exc)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._connection.close()


def _addressed_to(url: str, request: httpx2.Request) -> httpx2.Request:
    """The same request for the server at `url`."""
    target = httpx2.URL(url)
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return httpx2.Request(
        request.method,
        request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port),
        headers=headers,
        content=request.content,
        extensions=request.extensions,
    )


def _with_stream(response: httpx2.Response, stream: _AsyncAnswer | _Answer) -> httpx2.Response:
    return httpx2.Response(
        response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
    )


def _raise_unless_worth_a_retry(exc: BaseException, attempt: int) -> None:
    if not isinstance(exc, httpx2.TransportError):
        raise exc
    # Being connected and not answered is no broken connection: the model is busy, and would only be busier.
    if attempt == _TRIES or isinstance(exc, httpx2.ReadTimeout | httpx2.WriteTimeout):
        _raise_broken(exc)
    logger.warning("the local model could not be reached (%s): trying again", type(exc).__name__)


def _raise_broken(exc: httpx2.TransportError) -> NoReturn:
    silent = isinstance(exc, httpx2.TimeoutException)
    raise ModelFailed(_SILENT if silent else _BROKE) from exc
