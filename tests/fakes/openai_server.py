"""A local server that speaks OpenAI's chat completions API and answers by script. Run it as a program.

The last user message decides the answer:

- `TOKENS:3 …`: the pieces "tok0 ", "tok1 ", "tok2 ".
- `TOOL:name {"a": 1}`: a call of that tool, its arguments streamed in fragments.
- `FAIL:429 …`: that HTTP status with OpenAI's error body.
- `STALL …`: the beginning of a stream, then silence until the client leaves.
- `RESET …`: two pieces, then the connection is cut.
- `GARBAGE …`: a stream that is not JSON.
- anything else: "Echo: " and the text, word by word; after a tool's result, "Echo: tool said …".

`DELAY:50` anywhere in the message waits so many milliseconds before each piece. With `--tokens` and
`--delay`, every answer is that many pieces with that delay, whatever was asked: for benchmarks.

`GET /_requests` lists the latest requests as `{"path", "authorization", "body", "finished"}`, oldest
first; `finished` is false while the answer is under way and stays false if the client left before
its end. `DELETE /_requests` forgets them.
"""

import argparse
import asyncio
import json
import re
import secrets
import socket
import struct
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

DEFAULT_MODEL = "gpt-3.5-turbo"
FINGERPRINT = "fp_stub"
FRAGMENT = 8  # characters of a tool call's arguments per chunk
USAGE_IN = 10  # tokens, of whatever prompt
REMEMBERED = 1000  # requests


@dataclass
class Recorded:
    """A request that was made."""

    path: str
    authorization: str | None
    body: Any
    finished: bool = False


@dataclass(frozen=True)
class Script:
    """How to answer one request: `pieces` of text, or a tool call, or a failure."""

    pieces: tuple[str, ...] = ()
    delay: float = 0.0  # seconds before each piece
    tool: tuple[str, str] | None = None  # name and arguments
    status: int = 200
    ending: str = "stop"  # or STALL, RESET, GARBAGE


def script_for(messages: list[dict[str, Any]]) -> Script:
    """Read the script out of a conversation."""
    if messages and messages[-1].get("role") == "tool":
        return Script(pieces=words(f"Echo: tool said {text_of(messages[-1])}"))
    text = next((text_of(message) for message in reversed(messages) if message.get("role") == "user"), "")
    delay = int(match[1]) / 1000 if (match := re.search(r"DELAY:(\d+)", text)) else 0.0
    if match := re.match(r"TOKENS:(\d+)", text):
        return Script(pieces=tokens(int(match[1])), delay=delay)
    if match := re.match(r"TOOL:(\S+) (\{.*\})", text, re.DOTALL):
        return Script(tool=(match[1], match[2]), delay=delay)
    if match := re.match(r"FAIL:(\d{3})", text):
        return Script(status=int(match[1]))
    if match := re.match(r"STALL|RESET|GARBAGE", text):
        return Script(pieces=tokens(2), delay=delay, ending=match[0])
    return Script(pieces=words(f"Echo: {text}"), delay=delay)


def text_of(message: dict[str, Any]) -> str:
    """A message's text, whether its content is a string or a list of blocks."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content if isinstance(block, dict))


def tokens(count: int) -> tuple[str, ...]:
    """`count` pieces of text that can be told apart."""
    return tuple(f"tok{index} " for index in range(count))


def words(text: str) -> tuple[str, ...]:
    """The text in pieces, each a word with the space behind it."""
    return tuple(re.findall(r"\S+\s*|\s+", text))


class Completion:
    """The JSON of one answer, whole or in chunks."""

    def __init__(self, body: dict[str, Any], script: Script) -> None:
        self.script = script
        self.head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": body.get("model", DEFAULT_MODEL),
            "system_fingerprint": FINGERPRINT,
        }
        self.call_id = f"call_{secrets.token_hex(12)}"
        self.finish_reason = "tool_calls" if script.tool else "stop"
        self.with_usage = bool((body.get("stream_options") or {}).get("include_usage"))

    @property
    def usage(self) -> dict[str, int]:
        out = max(1, len(self.script.pieces))
        return {"prompt_tokens": USAGE_IN, "completion_tokens": out, "total_tokens": USAGE_IN + out}

    def tool_call(self, **function: str) -> dict[str, Any]:
        return {"index": 0, "id": self.call_id, "type": "function", "function": function}

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.script.pieces) or None}
        if self.script.tool:
            name, arguments = self.script.tool
            message["tool_calls"] = [self.tool_call(name=name, arguments=arguments)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return encode({**self.head, "object": "chat.completion", "choices": [choice], "usage": self.usage})

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event({**self.head, "object": "chat.completion.chunk", "choices": [choice]})

    def opening(self) -> bytes:
        if not self.script.tool:
            return self.chunk({"role": "assistant", "content": ""})
        call = self.tool_call(name=self.script.tool[0], arguments="")
        return self.chunk({"role": "assistant", "content": None, "tool_calls": [call]})

    def deltas(self) -> list[bytes]:
        if not self.script.tool:
            return [self.chunk({"content": piece}) for piece in self.script.pieces]
        arguments = self.script.tool[1]
        fragments = [arguments[start : start + FRAGMENT] for start in range(0, len(arguments), FRAGMENT)]
        return [self.chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in fragments]

    def closing(self) -> bytes:
        last = self.chunk({}, finish_reason=self.finish_reason)
        if self.with_usage:
            last += event({**self.head, "object": "chat.completion.chunk", "choices": [], "usage": self.usage})
        return last + b"data: [DONE]\n\n"


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def event(value: Any) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


class Server:
    """Answers connections. `fixed` replaces every script."""

    def __init__(self, fixed: Script | None = None) -> None:
        self.fixed = fixed
        self.requests: deque[Recorded] = deque(maxlen=REMEMBERED)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until the client leaves."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request_line, *lines = head.decode("latin-1").strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = request_line.split(" ")
                await self.answer(method, path, headers, content, writer, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client left
        finally:
            writer.close()

    async def answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
    ) -> None:
        if path == "/_requests":
            if method == "DELETE":
                self.requests.clear()
            await respond(writer, 200, encode([asdict(request) for request in self.requests]))
        elif (method, path) == ("GET", "/v1/models"):
            models = [{"id": DEFAULT_MODEL, "object": "model", "created": 0, "owned_by": "stub"}]
            await respond(writer, 200, encode({"object": "list", "data": models}))
        elif (method, path) == ("POST", "/v1/chat/completions"):
            recorded = Recorded(path, headers.get("authorization"), json.loads(content))
            self.requests.append(recorded)
            await self.complete(recorded, writer, reader)
        else:
            await respond(writer, 404, error_body(404, f"Unknown request: {method} {path}"))

    async def complete(self, recorded: Recorded, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        script = self.fixed or script_for(recorded.body.get("messages", []))
        completion = Completion(recorded.body, script)
        if script.status != 200:
            await respond(writer, script.status, error_body(script.status, f"Scripted failure {script.status}"))
        elif recorded.body.get("stream"):
            await stream(completion, writer, reader)
        else:
            await asyncio.sleep(script.delay * len(script.pieces))
            await respond(writer, 200, completion.whole())
        recorded.finished = True


def error_body(status: int, message: str) -> bytes:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return encode({"error": {"message": message, "type": kind, "param": None, "code": None}})


async def respond(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def stream(completion: Completion, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
    """Send the answer as server-sent events. Raises ConnectionError when the connection ends before the answer."""

    async def send(data: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()

    script = completion.script
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    await send(completion.opening())
    if script.ending == "STALL":
        await reader.read()
        raise ConnectionError("the client left")
    for delta in completion.deltas():
        if script.delay:
            await asyncio.sleep(script.delay)
        await send(delta)
    if script.ending == "RESET":
        await asyncio.sleep(0.05)  # a reset also takes back what the client has not read yet
        reset(writer)
        raise ConnectionError("cut by script")
    if script.ending == "GARBAGE":
        await send(b"data: {this is not JSON\n\n")
    await send(completion.closing())
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection so that the client sees it reset, and not an orderly end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main(port: int, fixed: Script | None) -> None:
    server = await asyncio.start_server(Server(fixed).serve, "127.0.0.1", port, limit=64 * 1024 * 1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=int, help="answer everything with this many pieces")
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds before each of them")
    arguments = parser.parse_args()
    fixed = arguments.tokens and Script(pieces=tokens(arguments.tokens), delay=arguments.delay / 1000)
    asyncio.run(main(arguments.port, fixed or None))
