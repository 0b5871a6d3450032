"""Many streams at once through one server process on one core, beside what reading the same answers costs without it.

The server is the real one with its embedded defaults, on SQLite; the model is a server that keeps a pace, on the other
cores together with the clients. Its answers are read directly, by a process that parses the HTTP and the JSON; by
`ChatOpenAI.astream` alone; and through our server, by each of its ways to watch a run. "Ideal" is tokens times delay.
Readers without our server have the core to themselves too.

`python -m bench streams --quick` is a look at whether all of it works. For Linux.
"""

import argparse
import asyncio
import os
import resource
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench._clients import (
    Connection,
    Make,
    Question,
    Refused,
    Target,
    Watched,
    ask_model,
    keeping,
    open_websocket,
    watch_events,
    watch_run,
    watch_websocket,
)
from bench._loads import HEADER, Load, measure
from bench._model_readers import READERS, outcomes
from bench._model_server import token
from bench._processes import ModelServer, cores, cpu_seconds, resident_bytes, split_cores
from bench.serving import Caller
from tests.live_server import LiveServer

FAST = Question(tokens=200, delay=10)
SLOW = Question(tokens=200, delay=50)
LOADS = [Load(1, FAST, 5), Load(8, FAST, 2), Load(32, FAST, 2), Load(64, FAST, 2), Load(256, SLOW, 1)]
LENGTHS = (50, 200, 800)
IDLE = (0, 64, 256, 1000)
QUICK_LOADS = [Load(1, Question(tokens=50, delay=10), 1), Load(16, Question(tokens=50, delay=10), 1)]
QUICK_LENGTHS = (10, 40)
QUICK_IDLE = (0, 16)

WATCHING = {
    "/runs/stream": watch_run,
    "protocol, SSE": watch_events,
    "protocol, WebSocket": watch_websocket,
}


@dataclass(frozen=True)
class Subject:
    """The server that is measured, and how to get a new thread of it."""

    port: int
    pid: int
    assistant: str

    def targets(self, number: int) -> list[Target]:
        caller, body = Caller(self.port), {"name": "b", "assistant_id": self.assistant}
        threads = [str(caller.json("POST", "/threads", body)["thread_id"]) for _ in range(number)]
        return [Target(thread, self.assistant) for thread in threads]


Watch = Callable[[int, Target, Question, Make], Awaitable[Watched]]


def show_loads(subject: Subject, model: ModelServer, loads: list[Load], measured: set[int]) -> None:
    print(HEADER, flush=True)
    for question in dict.fromkeys(load.question for load in loads):
        these = [load for load in loads if load.question == question]
        print(f"{question.tokens} tokens, one every {question.delay} ms: {question.ideal:g} s", flush=True)
        for reader, name in READERS.items():
            with cores(measured):
                for load, outcome in zip(these, outcomes(model.port, reader, these), strict=True):
                    print(outcome.row(load, name), flush=True)
        for name, watch in WATCHING.items():
            for load in these:
                print(through_server(subject, name, watch, load), flush=True)


def through_server(subject: Subject, name: str, watch: Watch, load: Load) -> str:
    targets = iter(subject.targets(load.streams * load.rounds))

    async def ask(question: Question) -> Watched:
        return await watch(subject.port, next(targets), question, Connection)

    try:
        return uvloop.run(measure(load, ask, lambda: cpu_seconds(subject.pid))).row(load, name)
    except Refused as exc:
        return f"{name:22} {load.streams:4} | {exc}"


def show_bytes(subject: Subject, model: ModelServer, lengths: Iterable[int]) -> None:
    for length in lengths:
        question = Question(tokens=length, delay=FAST.delay)
        cells = [f"{length:4} tokens | model {_bytes(uvloop.run(ask_model(model.port, question)), question)}"]
        for name, watch in WATCHING.items():
            (target,) = subject.targets(1)
            try:
                watched = uvloop.run(watch(subject.port, target, question, keeping))
            except Refused as exc:
                cells.append(f"{name} {exc}")
                continue
            forced = f" (its format forces {_forced(watched.body, question):,})" if watch is watch_run else ""
            cells.append(f"{name} {_bytes(watched, question)}{forced}")
        print("\n            | ".join(cells), flush=True)


def _bytes(watched: Watched, question: Question) -> str:
    return f"{watched.received:,} B, {watched.received / question.tokens:,.0f} a token"


def _forced(body: bytes, question: Question) -> int:
    """The bytes of `/runs/stream` with one event for each token: every event has all of the text so far."""
    first = body.index(b"event: data", 0)
    size = body.index(b"\r\n\r\n", first) + 4 - first - len(token(0))
    lengths = [len(token(index)) for index in range(question.tokens)]
    return sum(size + sum(lengths[: index + 1]) for index in range(question.tokens))


async def show_idle(subject: Subject, numbers: Iterable[int]) -> None:
    open_ones: list[Connection] = []
    base = 0
    for number in numbers:
        targets = subject.targets(number - len(open_ones))
        try:
            for target in targets:
                open_ones.append(await open_websocket(subject.port, target))
        except Refused as exc:
            print(f"idle WebSockets: {exc}")
            break
        await asyncio.sleep(1)
        now = resident_bytes(subject.pid)
        base = base or now
        each = f", {(now - base) / number / 1024:.1f} KB each" if number else ""
        print(f"{number:5} idle WebSockets: {now / 2**20:.1f} MB{each}", flush=True)
    for connection in open_ones:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench streams", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few short streams: does it work?")
    quick = parser.parse_known_args()[0].quick
    loads = QUICK_LOADS if quick else LOADS
    for key in ("DATABASE_URL", "DATA_DIR", "REDIS_URL"):
        os.environ.pop(key, None)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    measured, measuring = split_cores()
    if measured == measuring:
        print("There is one core for all: what measures takes from what is measured.")
    with ExitStack() as stack:
        stack.enter_context(cores(measuring))
        model = stack.enter_context(ModelServer())
        most_streams = str(max(load.streams for load in loads))
        environment = {
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": model.base_url,
            "LOCAL_MODEL": "off",
            "RUN_CONCURRENCY": most_streams,
            "RUNS_AT_ONCE_PER_USER": most_streams,
            "RUNS_QUEUED_PER_USER": most_streams,
        }
        with cores(measured):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="opengpts-bench-"))
            url = f"sqlite:///{Path(directory) / 'bench.sqlite3'}"
            server = stack.enter_context(LiveServer(url, **environment))
        body = {"name": "b", "config": {"configurable": {"type": "chatbot"}}}
        assistant = Caller(server.port).json("POST", "/assistants", body)["assistant_id"]
        subject = Subject(server.port, server.pid, assistant)
        uvloop.run(watch_run(server.port, subject.targets(1)[0], QUICK_LOADS[0].question))  # what is needed only once
        uvloop.run(show_idle(subject, QUICK_IDLE if quick else IDLE))
        show_bytes(subject, model, QUICK_LENGTHS if quick else LENGTHS)
        show_loads(subject, model, loads, measured)


if __name__ == "__main__":
    main()
