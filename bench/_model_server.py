"""A model server for measuring: OpenAI's streamed chat completions, at a set pace and for as little CPU as possible.

Run it as a program with `--port`. The last user message says what to answer: `TOKENS:200 DELAY:10` is 200 tokens, one
every 10 ms from the request on. The pace is kept by the clock: what could not be sent in time is sent at once, so that
an answer takes tokens times delay however busy this process is. Nothing else is understood.
"""

import argparse
import asyncio
import json
import re
from functools import cache
from typing import Any, cast

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = re.compile(rb"TOKENS:(\d+) DELAY:(\d+)")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def token(index: int) -> str:
    """The text of a token. Each can be told from the others."""
    return f"tok{index} "


def _event(**fields: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    data = b"data: " + json.dumps({**head, **fields}, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])


@cache
def _token_event(index: int) -> bytes:
    return _choice({"content": token(index)})


@cache
def _closing(tokens: int) -> bytes:
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
    done = b"data: [DONE]\n\n"
    last = _choice({}, "stop") + _event(choices=[], usage=usage)
    return last + b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done)


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection, one after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by inheritance.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return
        self._received = b""
        answer = ANSWER.findall(body)
        assert self._transport is not None
        if not answer:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return
        tokens, delay = int(answer[-1][0]), int(answer[-1][1]) / 1000
        self._transport.write(HEAD + _choice({"role": "assistant", "content": ""}))
        self._send(0, tokens, asyncio.get_running_loop().time() + delay, delay)

    def _send(self, index: int, tokens: int, due: float, delay: float) -> None:
        """Send the tokens from this one on that are due, and the next ones later."""
        loop = asyncio.get_running_loop()
        while self._transport is not None and index < tokens and due <= loop.time():
            self._transport.write(_token_event(index))
            index, due = index + 1, due + delay
        if self._transport is None:  # the client left
            return
        if index < tokens:
            self._timer = loop.call_at(due, self._send, index, tokens, due, delay)
        else:
            self._transport.write(_closing(tokens))


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(main(parser.parse_args().port))
