"""What a run costs the server as its thread grows: CPU and time at turns 10, 100 and 1000 of one thread.

The model is a local server that answers at once. Its context window is bounded, so that the newest messages alone are
loaded and sent to it; or it is not, and all of them are. The server has a core to itself. For Linux.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench._clients import Question, Target, Watched, watch_run
from bench._loads import SETTLING
from bench._processes import ModelServer, cores, cpu_seconds, split_cores
from bench.serving import Caller
from bench.storage import ANSWER, QUESTION
from tests.live_server import LiveServer
from tests.services import PostgreSQL

TURNS = (10, 100, 1000)
# Runs from each of these turns on.
RUNS = 20
ANSWERED = Question(tokens=20, delay=0)
WINDOW = 4096
# As the model's row says it, by what a line of the table calls it.
WINDOWS = {f"window of {WINDOW:,} tokens": str(WINDOW), "no window known": "None"}
# Messages that are posted at once.
POSTED = 200


def grow(caller: Caller, target: Target, turns: int) -> None:
    """Post so many turns to the thread."""
    said = [message for turn in range(turns) for message in _turn(turn)]
    for start in range(0, len(said), POSTED):
        caller.raw("POST", f"/threads/{target.thread}/state", {"values": said[start : start + POSTED]})


def _turn(number: int) -> list[dict[str, str]]:
    return [{"type": "human", "content": f"{number}: {QUESTION}"}, {"type": "ai", "content": f"{number}: {ANSWER}"}]


def costs(server: LiveServer, turns: Iterable[int]) -> Iterator[tuple[int, float, float]]:
    """Each turn, and the seconds of CPU and the median seconds that a run takes there."""
    caller = Caller(server.port)
    body = {"name": "b", "config": {"configurable": {"type": "chatbot"}}}
    assistant = caller.json("POST", "/assistants", body)["assistant_id"]
    thread = caller.json("POST", "/threads", {"name": "b", "assistant_id": assistant})["thread_id"]
    target, reached = Target(thread, assistant), 0
    for turn in turns:
        grow(Caller(server.port), target, turn - reached)
        watch(server, target)
        before = cpu_seconds(server.pid)
        seen = [watch(server, target) for _ in range(RUNS)]
        time.sleep(SETTLING)
        yield turn, (cpu_seconds(server.pid) - before) / RUNS, statistics.median(one.whole for one in seen)
        reached = turn + 1 + RUNS


def watch(server: LiveServer, target: Target) -> Watched:
    return uvloop.run(watch_run(server.port, target, ANSWERED))


def show(name: str, url: str, model: ModelServer, measured: set[int], turns: Iterable[int]) -> None:
    environment = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": model.base_url, "LOCAL_MODEL": "off"}
    with cores(measured):
        server = LiveServer(url, **environment)
    with server:
        for window, value in WINDOWS.items():
            server.manage(
                "shell",
                "--verbosity=0",
                "--command",
                f"from agents.models import LanguageModel; LanguageModel.objects.update(context_window={value})",
            )
            first = 0.0
            for turn, cpu, seconds in costs(server, turns):
                first = first or cpu
                print(
                    f"{name:11} {window:23} turn {turn:4}: {cpu * 1000:6.1f} ms CPU, x {cpu / first:4.2f};"
                    f" {seconds * 1000:6.1f} ms",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench turns", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a short thread: does it work?")
    turns = TURNS[:2] if parser.parse_known_args()[0].quick else TURNS
    for key in ("DATABASE_URL", "DATA_DIR", "REDIS_URL"):
        os.environ.pop(key, None)
    measured, measuring = split_cores()
    with ExitStack() as stack:
        stack.enter_context(cores(measuring))
        model = stack.enter_context(ModelServer())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opengpts-bench-")))
        show("SQLite", f"sqlite:///{directory / 'bench.sqlite3'}", model, measured, turns)
        show("PostgreSQL", stack.enter_context(PostgreSQL()).url(), model, measured, turns)


if __name__ == "__main__":
    main()
