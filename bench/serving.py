"""The server as its clients meet it: reading states, the time to the first token, and runs per second.

The model is a local server of fixed answers, so that what is measured is ours. The first token is compared with
asking that model server directly in the same run. Reading a state and runs per second stand beside what the original
server was measured to do on two cores (`ORIGINAL`): for scale, since it is not run here.
"""

import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.live_server import LiveServer
from tests.services import FakeOpenAI, PostgreSQL

ORIGINAL = {10: 106.0, 100: 46.0, 1000: 8.8, "runs": 4.7}  # requests and runs per second
TOKENS = 200
REPEATS = 5
HEADERS = {"Cookie": "opengpts_user_id=bench", "Content-Type": "application/json"}


class Caller:
    """One client on one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def raw(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of the response, which must be 200."""
        self._connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:200]!r}")
        return data

    def json(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.raw(method, path, body))

    def first_data(self, path: str, body: Any, marker: bytes) -> float:
        """Seconds until the response holds `marker`; the rest is read too."""
        start = time.perf_counter()
        self._connection.request("POST", path, json.dumps(body), HEADERS)
        response = self._connection.getresponse()
        while marker not in response.readline():
            continue
        elapsed = time.perf_counter() - start
        response.read()
        return elapsed

    def make_thread(self) -> str:
        assistant = self.json("POST", "/assistants", {"name": "b", "config": {"configurable": {"type": "chatbot"}}})
        body = {"name": "b", "assistant_id": assistant["assistant_id"]}
        return str(self.json("POST", "/threads", body)["thread_id"])


def human(text: str) -> dict[str, str]:
    return {"type": "human", "content": text}


def reads_per_second(caller: Caller, messages: int) -> float:
    """States of a thread of so many messages, read one after the other by one client."""
    thread = caller.make_thread()
    said = [{"type": ("human", "ai")[n % 2], "content": "words " * 16} for n in range(messages)]
    caller.raw("POST", f"/threads/{thread}/state", {"values": said})
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(100):
            caller.raw("GET", f"/threads/{thread}/state")
        times.append((time.perf_counter() - start) / 100)
    return 1 / statistics.median(times)


def first_tokens(caller: Caller, model_port: int) -> tuple[float, float]:
    """Median seconds to the first token: asked of the model server directly, and through a run."""
    model = Caller(model_port)
    direct_body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    direct, through = [], []
    for _ in range(20):
        direct.append(model.first_data("/v1/chat/completions", direct_body, b'"tok0 "'))
        body = {"thread_id": caller.make_thread(), "input": [human("hi")]}
        through.append(caller.first_data("/runs/stream", body, b"tok0 "))
    return statistics.median(direct), statistics.median(through)


def runs_per_second(port: int, *, clients: int, runs: int) -> float:
    """Streamed runs of `TOKENS` tokens, each on a thread of its own."""
    caller = Caller(port)
    threads = [caller.make_thread() for _ in range(runs)]

    def run(thread: str) -> None:
        body = {"thread_id": thread, "input": [human("hi")]}
        answer = Caller(port).raw("POST", "/runs/stream", body)
        if f"tok{TOKENS - 1} ".encode() not in answer:
            raise RuntimeError("the answer is not whole")

    run(threads.pop())
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(run, threads))
    return len(threads) / (time.perf_counter() - start)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """The URL of an empty database of each kind."""
    with tempfile.TemporaryDirectory() as directory, PostgreSQL() as postgresql:
        yield {"SQLite": f"sqlite:///{Path(directory) / 'bench.sqlite3'}", "PostgreSQL": postgresql.url("postgres")}


def report(name: str, url: str, model: FakeOpenAI) -> None:
    environment = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": model.base_url, "LOCAL_MODEL": "off"}
    with LiveServer(url, **environment) as server:
        caller = Caller(server.port)
        caller.raw("POST", "/runs/stream", {"thread_id": caller.make_thread(), "input": [human("warm up")]})
        for messages in (10, 100, 1000):
            rate = reads_per_second(caller, messages)
            ratio = rate / ORIGINAL[messages]
            print(f"{name:11} GET state, {messages:4} messages: {rate:7.1f}/s, {ratio:5.1f} x original")
        direct, through = first_tokens(caller, model.port)
        added = (through - direct) * 1000
        print(
            f"{name:11} first token: {direct * 1000:.1f} ms direct, {through * 1000:.1f} ms here, {added:.1f} ms added"
        )
        for clients in (1, 8):
            rate = statistics.median(runs_per_second(server.port, clients=clients, runs=41) for _ in range(3))
            ratio = rate / ORIGINAL["runs"]
            print(f"{name:11} runs of {TOKENS} tokens, {clients} at once: {rate:5.1f}/s, {ratio:.1f} x original")


def main() -> None:
    for key in ("DATABASE_URL", "DATA_DIR", "REDIS_URL"):
        os.environ.pop(key, None)
    with FakeOpenAI("--tokens", str(TOKENS), "--delay", "0") as model, databases() as urls:
        for name, url in urls.items():
            report(name, url, model)


if __name__ == "__main__":
    main()
