"""A local server that speaks OpenAI's APIs of chat completions and embeddings, by script. Run it as a program.

The last user message decides the answer:

- `TOKENS:3 …`: the pieces "tok0 ", "tok1 ", "tok2 ".
- `TOOL:name {"a": 1}`: a call of that tool, its arguments streamed in fragments. Several in a row are calls of one
  answer.
- `LOOP:name {"a": 1}`: the same, again after each result.
- `THINK:3 …`: three pieces of reasoning, then as for anything else.
- `FAIL:429 …`: that HTTP status with OpenAI's error body.
- `STALL …`: the beginning of a stream, then silence until the client leaves.
- `RESET …`: two pieces, then the connection is cut.
- `GARBAGE …`: a stream that is not JSON.
- anything else: "Echo: " and the text, word by word; after tools' results, "Echo: tool said …" for each.

`NOUSAGE` anywhere in the last message leaves the usage out, as some servers do. `DELAY:50` anywhere in the message
waits so many milliseconds before each piece. With `--tokens` and `--delay`, every answer is that many pieces with that
delay, whatever was asked: for benchmarks.

`WINDOW:2000` in the system message refuses what is longer than so many tokens, of four letters each.

`POST /v1/embeddings` gives each text a vector in which its words are counted, so that texts with the same words are
alike: EMBEDDING_DIMENSION numbers, or as many as `dimensions` says, or `DIMENSION:32` in a text. `FAIL:429` in a text
has the status for its answer, and `DELAY:50` waits so many milliseconds.

`GET /_requests` lists the latest requests as `{"path", "authorization", "body", "finished"}`, oldest
first; `finished` is false while the answer is under way and stays false if the client left before
its end. `DELETE /_requests` forgets them.
"""

import argparse
import asyncio
import base64
import json
import re
import secrets
import socket
import struct
import time
import zlib
from array import array
from collections import deque
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

DEFAULT_MODEL = "gpt-3.5-turbo"
FINGERPRINT = "fp_stub"
FRAGMENT = 8  # characters of a tool call's arguments per chunk
USAGE_IN = 10  # tokens, of whatever prompt
EMBEDDING_DIMENSION = 64
REMEMBERED = 1000  # requests
CALL = r"(?:TOOL|LOOP):(\S+) (\{.*\})"


@dataclass
class Recorded:
    """A request that was made."""

    path: str
    authorization: str | None
    body: Any
    finished: bool = False


@dataclass(frozen=True)
class Script:
    """How to answer one request: `pieces` of text, or tool calls, or a failure."""

    pieces: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()  # pieces of it, before those of the text
    delay: float = 0.0  # seconds before each piece
    calls: tuple[tuple[str, str], ...] = ()  # names and arguments
    status: int = 200
    code: str | None = None  # of the error
    ending: str = "stop"  # or STALL, RESET, GARBAGE
    usage: bool = True


def script_for(messages: list[dict[str, Any]]) -> Script:
    """Read the script out of a conversation."""
    usage = not any("NOUSAGE" in text_of(message) for message in messages[-1:])
    return replace(_script_for(messages), usage=usage)


def _script_for(messages: list[dict[str, Any]]) -> Script:
    text = next((text_of(message) for message in reversed(messages) if message.get("role") == "user"), "")
    window = re.search(r"WINDOW:(\d+)", text_of(messages[0])) if messages else None
    if window and len(json.dumps(messages)) / 4 > int(window[1]):
        return Script(status=400, code="context_length_exceeded")
    results = list(takewhile(lambda message: message.get("role") == "tool", reversed(messages)))
    if results and not text.startswith("LOOP:"):
        said = " ".join(f"tool said {text_of(message)}" for message in reversed(results))
        return Script(pieces=words(f"Echo: {said}"))
    delay = int(match[1]) / 1000 if (match := re.search(r"DELAY:(\d+)", text)) else 0.0
    if match := re.match(r"TOKENS:(\d+)", text):
        return Script(pieces=tokens(int(match[1])), delay=delay)
    if match := re.match(r"THINK:(\d+)", text):
        thoughts = tuple(f"thought{index} " for index in range(int(match[1])))
        return Script(pieces=words(f"Echo: {text}"), reasoning=thoughts, delay=delay)
    directives = [re.match(CALL, part, re.DOTALL) for part in re.split(r"\s+(?=TOOL:)", text)]
    if directives[0]:
        return Script(calls=tuple((match[1], match[2]) for match in directives if match), delay=delay)
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
        self.call_ids = [f"call_{secrets.token_hex(12)}" for _ in script.calls]
        self.finish_reason = "tool_calls" if script.calls else "stop"
        self.with_usage = script.usage and bool((body.get("stream_options") or {}).get("include_usage"))

    @property
    def usage(self) -> dict[str, int]:
        out = max(1, len(self.script.pieces))
        return {"prompt_tokens": USAGE_IN, "completion_tokens": out, "total_tokens": USAGE_IN + out}

    def tool_call(self, index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "id": self.call_ids[index], "type": "function", "function": function}

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.script.pieces) or None}
        if self.script.calls:
            message["tool_calls"] = [
                self.tool_call(index, name=name, arguments=arguments)
                for index, (name, arguments) in enumerate(self.script.calls)
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        usage = {"usage": self.usage} if self.script.usage else {}
        return encode({**self.head, "object": "chat.completion", "choices": [choice], **usage})

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event({**self.head, "object": "chat.completion.chunk", "choices": [choice]})

    def opening(self) -> bytes:
        if not self.script.calls:
            return self.chunk({"role": "assistant", "content": ""})
        return self.chunk({"role": "assistant", "content": None, "tool_calls": [self.beginning(0)]})

    def beginning(self, index: int) -> dict[str, Any]:
        return self.tool_call(index, name=self.script.calls[index][0], arguments="")

    def deltas(self) -> list[bytes]:
        if not self.script.calls:
            thoughts = [self.chunk({"reasoning_content": piece}) for piece in self.script.reasoning]
            return thoughts + [self.chunk({"content": piece}) for piece in self.script.pieces]
        parts: list[dict[str, Any]] = []
        for index, (_, arguments) in enumerate(self.script.calls):
            parts += [self.beginning(index)] if index else []
            fragments = [arguments[start : start + FRAGMENT] for start in range(0, len(arguments), FRAGMENT)]
            parts += [{"index": index, "function": {"arguments": fragment}} for fragment in fragments]
        return [self.chunk({"tool_calls": [part]}) for part in parts]

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
        elif (method, path) == ("POST", "/v1/embeddings"):
            recorded = Recorded(path, headers.get("authorization"), json.loads(content))
            self.requests.append(recorded)
            await self.embed(recorded, writer)
        else:
            await respond(writer, 404, error_body(404, f"Unknown request: {method} {path}"))

    async def embed(self, recorded: Recorded, writer: asyncio.StreamWriter) -> None:
        body = recorded.body
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if waiting := re.search(r"DELAY:(\d+)", " ".join(texts)):
            await asyncio.sleep(int(waiting[1]) / 1000)
        if failure := re.search(r"FAIL:(\d{3})", " ".join(texts)):
            await respond(writer, int(failure[1]), error_body(int(failure[1]), f"Scripted failure {failure[1]}"))
        else:
            scripted = re.search(r"DIMENSION:(\d+)", " ".join(texts))
            dimension = int(scripted[1]) if scripted else body.get("dimensions", EMBEDDING_DIMENSION)
            vectors = [count_words(text, dimension) for text in texts]
            data = [
                {"object": "embedding", "index": index, "embedding": as_asked(vector, body.get("encoding_format"))}
                for index, vector in enumerate(vectors)
            ]
            usage = {"prompt_tokens": USAGE_IN, "total_tokens": USAGE_IN}
            answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
            await respond(writer, 200, encode(answer))
        recorded.finished = True

    async def complete(self, recorded: Recorded, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        script = self.fixed or script_for(recorded.body.get("messages", []))
        completion = Completion(recorded.body, script)
        if script.status != 200:
            await respond(
                writer, script.status, error_body(script.status, f"Scripted failure {script.status}", script.code)
            )
        elif recorded.body.get("stream"):
            await stream(completion, writer, reader)
        else:
            await asyncio.sleep(script.delay * len(script.pieces))
            await respond(writer, 200, completion.whole())
        recorded.finished = True


def count_words(text: str, dimension: int) -> list[float]:
    """A vector with a number for each word of the text, at a place that the word decides."""
    vector = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(word.encode()) % dimension] += 1.0
    return vector


def as_asked(vector: list[float], encoding: str | None) -> list[float] | str:
    """A vector as the request wants it: a list, or its float32 bytes as base64."""
    return base64.b64encode(array("f", vector).tobytes()).decode() if encoding == "base64" else vector


def error_body(status: int, message: str, code: str | None = None) -> bytes:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


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
