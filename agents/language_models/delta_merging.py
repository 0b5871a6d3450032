"""Merges the deltas of a streamed answer that have arrived together, before LangChain sees them.

LangChain's cost is per chunk, whatever is in it. Where one token arrives at a time, it stays one chunk. When this
process reads many answers at once, each is looked at less often, and what has come meanwhile becomes one chunk: the
cost per token falls, and the time to the end does not rise (`pacing`). The beginning of an answer is never held back.

What is merged is the text of the model, or the arguments of one tool call, in neighbouring events that differ in
nothing else. All other bytes pass unchanged. So whoever adds up the deltas gets the same message in the end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import httpx2
import orjson

from agents.language_models.pacing import in_hand, pause

_EVENT_END = b"\n\n"
# Bytes. An event that is longer is not waited for; one of OpenAI's has some hundred.
_LONGEST_EVENT = 1024 * 1024
# Bytes that are read before anyone asks for them. Beyond this the provider has to wait, as it would without us.
_READ_AHEAD = 256 * 1024

# Pieces of an answer that come as they come whatever else goes on: its head, and its first word.
_BEGINNING = 3
# Seconds that the reader is given, after a pause, to read what has come to the socket meanwhile.
_CATCHING_UP = 0.001

# What may stand beside a text: nobody adds it up.
_HEAD = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation"})
_ROLE = frozenset({"role"})
_TYPE = frozenset({"type"})
_ARGUMENTS = frozenset({"arguments"})


class DeltaMergingTransport(httpx2.AsyncBaseTransport):
    """Sends requests through `transport`, and merges the deltas of the chat completions that are streamed back.

    It asks for chat completions uncompressed. One that is compressed all the same is left alone, as is every other
    response. For asyncio only, and on any event loop where `transport` may be used.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/chat/completions"):
            return await self._transport.handle_async_request(request)
        request.headers["accept-encoding"] = "identity"
        response = await self._transport.handle_async_request(request)
        streamed = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not streamed or response.headers.get("content-encoding", "identity").lower() != "identity":
            return response
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_MergedStream(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._transport.aclose()


class _MergedStream(httpx2.AsyncByteStream):
    """The body of a response, with what has arrived since the last look merged.

    A task reads ahead, because nothing else tells what is there already from what must be waited for: httpx2 gives a
    piece for each chunk of the transfer encoding, however many of them one read from the network brought.
    """

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._merger = DeltaMerger()
        self._reader: asyncio.Task[None] | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._given, self._due = 0, 0.0
        self._paused = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """May be called again before the first iteration's end, as openai does to drain a response: it goes on."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
            self._reader.add_done_callback(self._ended)
        try:
            ended = False
            while not ended:
                await self._arrived.wait()
                if self._paused:
                    self._paused = False
                    await asyncio.sleep(_CATCHING_UP)
                ended = self._reader.done()
                if not ended:
                    self._arrived.clear()
                data = self._merger.feed(self._take())
                if ended:
                    data += self._merger.flush()
                if data:
                    self._given += 1
                    if self._given > _BEGINNING:
                        self._due = time.monotonic() + pause()
                    yield data
        except BaseException:
            # As httpcore2 does: whoever stops reading has left.
            await self.aclose()
            raise
        if self._reader.cancelled():
            raise httpx2.ReadError("The response was closed while it was read.")
        if error := self._reader.exception():
            raise error

    async def aclose(self) -> None:
        try:
            if self._reader is not None and not self._reader.done():
                self._reader.cancel()
                await asyncio.wait({self._reader})
        finally:
            await self._stream.aclose()

    async def _read(self) -> None:
        with in_hand():
            async for piece in self._stream:
                self._pieces.append(piece)
                self._size += len(piece)
                # Not read meanwhile, the others wait in the socket, and then come at once.
                if (early := self._due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                    self._paused = True
                self._arrived.set()
                while self._size > _READ_AHEAD:
                    self._taken.clear()
                    await self._taken.wait()

    def _take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._taken.set()
        return data

    def _ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled():
            reader.exception()  # or asyncio complains of an error that came after the last look
        self._arrived.set()


class DeltaMerger:
    """Takes the bytes of a stream of server-sent events and gives them back with fewer, longer deltas.

    Lines must end in LF alone; from the first CR on, nothing is merged.
    """

    def __init__(self) -> None:
        self._tail = b""
        self._merging = True

    def feed(self, data: bytes) -> bytes:
        """All events that end in `data`, merged; empty if none does."""
        data = self.flush() + data
        if not self._merging or b"\r" in data:
            self._merging = False
            return data
        events, end, tail = data.rpartition(_EVENT_END)
        if len(tail) > _LONGEST_EVENT:
            self._merging = False
            return data
        self._tail = tail
        if _EVENT_END in events:
            events = _EVENT_END.join(_merge(events.split(_EVENT_END)))
        return events + end

    def flush(self) -> bytes:
        """The event that was not complete yet, as it came."""
        tail, self._tail = self._tail, b""
        return tail


def _merge(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """What stands between blank lines, with each run of events that differ only in their texts made one."""
    # What cannot be merged is equal to nothing but itself.
    for _, group in groupby(map(_read_event, blocks), key=lambda event: event.rest or event):
        run = list(group)
        yield run[0].saying(event.text for event in run) if len(run) > 1 else run[0].raw


@dataclass(slots=True, eq=False)
class _Event:
    raw: bytes
    # Only if it can be merged:
    text: str = ""
    rest: bytes = b""  # all that it says beside `text`
    parsed: Any = None
    place: tuple[dict[str, Any], str] = ({}, "")  # what has the text in `parsed`, and under which key

    def saying(self, texts: Iterable[str]) -> bytes:
        """This event with these texts in place of its own."""
        owner, key = self.place
        owner[key] = "".join(texts)
        return b"data: " + orjson.dumps(self.parsed)


def _read_event(raw: bytes) -> _Event:
    if not raw.startswith(b"data:") or b"\n" in raw:
        return _Event(raw)
    try:
        parsed = orjson.loads(raw[5:])
    except orjson.JSONDecodeError:
        return _Event(raw)
    place = _place_of_text(parsed)
    if place is None:
        return _Event(raw)
    parsed.pop("obfuscation", None)  # OpenAI's padding, of random length
    owner, key = place
    text, owner[key] = owner[key], ""
    return _Event(raw, text, orjson.dumps(parsed), parsed, place)


def _place_of_text(parsed: Any) -> tuple[dict[str, Any], str] | None:
    """The object that has the event's text, and under which key. None if the event has more to it than a text.

    What is allowed beside the text is what nobody adds up, and what goes through orjson unharmed: no fractions, which
    is also how orjson reads very large integers. Anything unknown has more to it, unless it is null.
    """
    match parsed:
        case {"choices": [{"index": int(), "delta": dict() as delta, **choice}], **head}:
            if not (_only(head, _HEAD) and _only(choice)):
                return None
        case _:
            return None
    match delta:
        case {"content": str(), **others} if _only(others, _ROLE):
            return delta, "content"
        case {"reasoning_content": str(), **others} if _only(others, _ROLE):
            return delta, "reasoning_content"
        case {"tool_calls": [{"index": int(), "function": dict() as function, **call}], **others}:
            alone = _only(others, _ROLE) and _only(call, _TYPE) and _only(function, _ARGUMENTS)
            return (function, "arguments") if alone and isinstance(function.get("arguments"), str) else None
    return None


def _only(values: Mapping[Any, Any], known: frozenset[str] = frozenset()) -> bool:
    """Whether all that is not null is a text or an integer with a known name."""
    return all(value is None or (name in known and isinstance(value, str | int)) for name, value in values.items())
