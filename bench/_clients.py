"""Clients that watch a model's answer, each on sockets of its own, and that cost as little CPU as can be.

They look for a few texts in the bytes as they come, and read nothing else of them. Each function below asks one
question and returns when the answer is whole.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from bench._model_server import token

COOKIE = "opengpts_user_id=bench"
# A server that has not said the next thing by then has failed. Seconds.
PATIENCE = 120.0
# Of what came before, so that what lies across two reads is found, and a failure can be told.
_KEPT = 400
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A


@dataclass(frozen=True)
class Question:
    """An answer of so many tokens, one every `delay` milliseconds."""

    tokens: int
    delay: int

    @property
    def text(self) -> str:
        return f"TOKENS:{self.tokens} DELAY:{self.delay}"

    @property
    def ideal(self) -> float:
        """The seconds that the model takes."""
        return self.tokens * self.delay / 1000

    def marks(self, end: str) -> list[bytes]:
        """What comes in the course of the answer: the first token, the last one, `end`."""
        return [token(0).encode(), token(self.tokens - 1).encode(), end.encode()]


@dataclass
class Watched:
    """One answer: the seconds until its first token and until its end, the bytes that its sockets received."""

    first: float
    whole: float
    received: int
    body: bytes = field(repr=False, default=b"")


class Refused(RuntimeError):
    """The server did not do what was asked."""


class Connection(asyncio.Protocol):
    """One socket. Says when the texts that it is told to look for have come, in their order."""

    def __init__(self, *, keep: bool = False) -> None:
        self.received = 0
        self.body = b""
        self._keep = keep
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._marks: list[bytes] = []
        self._seen: list[float] = []
        self._found: asyncio.Future[list[float]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._keep:
            self.body += data
        # Where nothing else is said, a ping comes alone.
        if data[0] == _PING and len(data) == 2 + data[1]:
            self.write(frame(_PONG, data[2:]))
            return
        self._unread += data
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._marks:
            self._fail(f"closed before {self._marks[0]!r}, after {self._unread!r}")

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    async def see(self, marks: list[bytes]) -> list[float]:
        """The times when these were received. Raises `Refused` where the connection ends, or is silent, before."""
        self._marks, self._seen = list(marks), []
        self._found = asyncio.get_running_loop().create_future()
        self._look()
        try:
            return await asyncio.wait_for(self._found, PATIENCE)
        except TimeoutError:
            raise Refused(f"no {self._marks[0]!r} within {PATIENCE:g} s, after {self._unread!r}") from None

    def _look(self) -> None:
        if self._unread.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            self._fail(self._unread.partition(b"\r\n")[0].decode())
        while self._marks and (place := self._unread.find(self._marks[0])) >= 0:
            self._unread = self._unread[place + len(self._marks.pop(0)) :]
            self._seen.append(time.perf_counter())
        self._unread = self._unread[-_KEPT:]
        if not self._marks and self._found and not self._found.done():
            self._found.set_result(self._seen)

    def _fail(self, why: str) -> None:
        if self._found and not self._found.done():
            self._found.set_exception(Refused(why))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


Make = Callable[[], Connection]


def keeping() -> Connection:
    """A connection whose `body` has all that it receives."""
    return Connection(keep=True)


async def connect(port: int, make: Make = Connection) -> Connection:
    """A connection to a server of this machine."""
    return (await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port))[1]


def request(path: str, body: Any) -> bytes:
    """A POST of JSON."""
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {COOKIE}\r\nAuthorization: Bearer x\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def frame(opcode: int, data: bytes) -> bytes:
    """A WebSocket frame of a client, which has to be masked; zeros are a mask too."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([opcode]) + length + bytes(4) + data


async def _watch(
    connection: Connection, started: float, question: Question, end: str, others: Callable[[], int] = lambda: 0
) -> Watched:
    first, _, last = await connection.see(question.marks(end))
    connection.close()
    return Watched(first - started, last - started, connection.received + others(), connection.body)


async def ask_model(port: int, question: Question, make: Make = Connection) -> Watched:
    """Ask the model server directly."""
    connection = await connect(port, make)
    body = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": question.text}],
    }
    started = time.perf_counter()
    connection.write(request("/v1/chat/completions", body))
    return await _watch(connection, started, question, "[DONE]")


@dataclass(frozen=True)
class Target:
    """A thread and the assistant that is to answer there."""

    thread: str
    assistant: str

    @property
    def events(self) -> str:
        return f"/threads/{self.thread}/stream/events"

    @property
    def commands(self) -> str:
        return f"/threads/{self.thread}/commands"

    def start(self, question: Question) -> dict[str, Any]:
        """The protocol's command that starts a run."""
        said = [{"type": "human", "content": question.text}]
        return {
            "id": 2,
            "method": "run.start",
            "params": {"assistant_id": self.assistant, "input": {"messages": said}},
        }


SUBSCRIPTION = {"channels": ["messages", "lifecycle"]}
_COMPLETED = '"event":"completed"'
_SUCCESS = b'"success"'


async def watch_run(port: int, target: Target, question: Question, make: Make = Connection) -> Watched:
    """`POST /runs/stream`."""
    connection = await connect(port, make)
    body = {"thread_id": target.thread, "input": [{"type": "human", "content": question.text}]}
    started = time.perf_counter()
    connection.write(request("/runs/stream", body))
    return await _watch(connection, started, question, "event: end")


async def watch_events(port: int, target: Target, question: Question, make: Make = Connection) -> Watched:
    """The Agent Streaming Protocol over server-sent events, its commands over HTTP."""
    connection, commands = await connect(port, make), await connect(port)
    try:
        connection.write(request(target.events, SUBSCRIPTION))
        await connection.see([b"200 OK\r\n", b"\r\n\r\n"])
        started = time.perf_counter()
        commands.write(request(target.commands, target.start(question)))
        watching = asyncio.ensure_future(
            _watch(connection, started, question, _COMPLETED, lambda: commands.received),
        )
        try:
            await commands.see([_SUCCESS])
            return await watching
        finally:
            watching.cancel()
    finally:
        commands.close()
        connection.close()


async def open_websocket(port: int, target: Target, make: Make = Connection) -> Connection:
    """A WebSocket on the thread's events, subscribed."""
    connection = await connect(port, make)
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {target.events} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {COOKIE}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    connection.write(head.encode())
    await connection.see([b" 101 ", b"\r\n\r\n"])
    subscribe = {"id": 1, "method": "subscription.subscribe", "params": SUBSCRIPTION}
    connection.write(frame(_TEXT, json.dumps(subscribe).encode()))
    await connection.see([_SUCCESS])
    return connection


async def watch_websocket(port: int, target: Target, question: Question, make: Make = Connection) -> Watched:
    """The Agent Streaming Protocol over one WebSocket."""
    connection = await open_websocket(port, target, make)
    started = time.perf_counter()
    connection.write(frame(_TEXT, json.dumps(target.start(question)).encode()))
    return await _watch(connection, started, question, _COMPLETED)
