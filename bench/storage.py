"""What a conversation costs to store: our checkpoint saver beside LangGraph's own, on the same database.

`python -m bench.storage` starts the databases it needs, has the same small graph hold the same conversation
over each saver, and prints the bytes that a turn adds and the time that it takes, around turns 10, 100 and 1000.
Each is a thread of its own, which is given the turns before at once.
`--postgresql URL` measures on a server of yours instead: in two databases that it makes and drops.

Bytes are those of the tables and indexes. Both savers of a database run with the same durability: SQLite
with write-ahead logging and `synchronous=NORMAL`, PostgreSQL as the server is set (one that this program
starts does not wait for the disk).
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._databases import make_database

TURNS = (10, 100, 1000)
# Turns on either side of each, over which bytes are averaged and the median time is taken.
AROUND = 10

QUESTION = "What is the difference between a checkpoint and a message, and which of them is stored how often?"
ANSWER = "A message is what somebody said; a checkpoint says which messages a conversation had at a point in time. " * 4

RELATION_BYTES = "SELECT sum(pg_total_relation_size(name::regclass))::bigint AS bytes FROM unnest(%s::text[]) AS name"


# By saver, then by turn: "bytes" that a turn adds, and "seconds" that it takes.
Results = dict[str, dict[str, dict[str, float]]]


@dataclass
class Subject:
    """A saver to measure: a new one for each turn, and the bytes that it has stored so far."""

    saver: Callable[[], Any]
    stored_bytes: Callable[[], Awaitable[int]]
    make_thread: Callable[[], Awaitable[str]]


def build_graph() -> Any:
    """One node, which adds an answer; no model is asked."""
    from langchain_core.messages import AIMessage
    from langgraph.graph import END, START, MessagesState, StateGraph

    def answer(state: MessagesState) -> dict[str, Any]:
        usage = {"input_tokens": 1000, "output_tokens": 80, "total_tokens": 1080}
        message = AIMessage(
            f"{len(state['messages'])}: {ANSWER}",
            id=f"run-{uuid.uuid4()}",
            response_metadata={"finish_reason": "stop", "model_name": "gpt-4o-mini"},
            usage_metadata=usage,
        )
        return {"messages": [message]}

    graph = StateGraph(MessagesState)
    graph.add_node("agent", answer)
    graph.add_edge(START, "agent")
    graph.add_edge("agent", END)
    return graph.compile()


async def converse(subjects: dict[str, Subject]) -> Results:
    """Hold the same conversation over each of the savers, turn by turn, so that what slows one slows all."""
    graph = build_graph()
    results: Results = {name: {} for name in subjects}
    for turn in TURNS:
        threads = {name: await subject.make_thread() for name, subject in subjects.items()}
        for name, subject in subjects.items():
            await begin_at(graph, subject, threads[name], turn - AROUND)
        sizes = {name: await subject.stored_bytes() for name, subject in subjects.items()}
        seconds: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(turn - AROUND, turn + AROUND):
            for name, subject in subjects.items():
                seconds[name].append(await take_turn(graph, subject, threads[name], number))
        for name, subject in subjects.items():
            added = (await subject.stored_bytes() - sizes[name]) / (2 * AROUND)
            results[name][str(turn)] = {"bytes": added, "seconds": statistics.median(seconds[name])}
    return results


async def begin_at(graph: Any, subject: Subject, thread_id: str, turns: int) -> None:
    """Put the turns before into a new thread, and take one that is not counted."""
    from langchain_core.messages import AIMessage, HumanMessage

    said = [
        message
        for turn in range(turns)
        for message in (
            HumanMessage(f"{turn}: {QUESTION}", id=str(uuid.uuid4())),
            AIMessage(f"{turn}: {ANSWER}", id=f"run-{uuid.uuid4()}"),
        )
    ]
    if said:
        config = {"configurable": {"thread_id": thread_id}}
        await graph.copy(update={"checkpointer": subject.saver()}).aupdate_state(
            config, {"messages": said}, as_node="agent"
        )
    await take_turn(graph, subject, thread_id, turns)


async def take_turn(graph: Any, subject: Subject, thread_id: str, turn: int) -> float:
    """One question and its answer; returns the seconds that they took."""
    from langchain_core.messages import HumanMessage

    question = HumanMessage(f"{turn}: {QUESTION}", id=str(uuid.uuid4()))
    # LangGraph takes a second call with the same run id for the rest of the first.
    config = {"configurable": {"thread_id": thread_id}, "metadata": {"run_id": str(uuid.uuid4())}}
    started = time.perf_counter()
    await graph.copy(update={"checkpointer": subject.saver()}).ainvoke({"messages": [question]}, config)
    return time.perf_counter() - started


@asynccontextmanager
async def django_subject() -> AsyncIterator[Subject]:
    """Our saver, on the database that the settings name."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from accounts.models import User
    from opengpts.db import in_database_thread
    from threads.models import Checkpoint, CheckpointWrite, Message, Thread
    from threads.saver import DjangoSaver

    def prepare() -> User:
        call_command("migrate", verbosity=0)
        return User.objects.create(username="bench")

    def make_thread() -> str:
        return str(Thread.objects.create(owner=owner).pk)

    def stored_bytes() -> int:
        tables = [model._meta.db_table for model in (Thread, Message, Checkpoint, CheckpointWrite)]
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA page_count")
                pages = cursor.fetchone()[0]
                cursor.execute("PRAGMA page_size")
                return int(pages * cursor.fetchone()[0])
            cursor.execute(RELATION_BYTES, [tables])
            return int(cursor.fetchone()[0])

    owner = await in_database_thread(prepare)
    yield Subject(DjangoSaver, lambda: in_database_thread(stored_bytes), lambda: in_database_thread(make_thread))


async def name_thread() -> str:
    """A thread is what is saved under a name."""
    return str(uuid.uuid4())


@asynccontextmanager
async def sqlite_subject(path: str) -> AsyncIterator[Subject]:
    """`langgraph-checkpoint-sqlite`, as durable as our settings make SQLite."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.setup()
        await saver.conn.execute("PRAGMA synchronous=NORMAL")

        async def stored_bytes() -> int:
            cursor = await saver.conn.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            row = await cursor.fetchone()
            return int(row[0]) if row else 0

        yield Subject(lambda: saver, stored_bytes, name_thread)


@asynccontextmanager
async def postgresql_subject(url: str) -> AsyncIterator[Subject]:
    """`langgraph-checkpoint-postgres`."""
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    tables = ["checkpoints", "checkpoint_blobs", "checkpoint_writes"]
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await saver.setup()

        async def stored_bytes() -> int:
            async with saver._cursor() as cursor:
                await cursor.execute(RELATION_BYTES, [tables])
                row = await cursor.fetchone()
                return int(row["bytes"]) if row else 0

        yield Subject(lambda: saver, stored_bytes, name_thread)


async def measure(our_url: str, their_url: str) -> Results:
    """Measure both savers, each on an empty database; ours is the one that the settings name."""
    sqlite = their_url.startswith("sqlite")
    theirs = sqlite_subject(their_url.removeprefix("sqlite:///")) if sqlite else postgresql_subject(their_url)
    async with django_subject() as ours, theirs as other:
        return await converse({"ours": ours, "LangGraph's": other})


def measure_in_process(our_url: str, their_url: str) -> Results:
    """The same in a process of its own, for Django has one set of settings in a process."""
    environment = {**os.environ, "DATABASE_URL": our_url, "DJANGO_SETTINGS_MODULE": "opengpts.settings.testing"}
    command = [sys.executable, "-m", "bench.storage", "--measure", our_url, their_url]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    results: Results = json.loads(done.stdout)
    return results


def print_table(database: str, results: Results) -> None:
    """One line for each of TURNS: both savers, and how many times the other one's cost is ours."""
    ours, theirs = results.values()
    for turn in map(str, TURNS):
        cells = [f"{database:<11}{turn:>5}"]
        for measure, scale, unit in (("bytes", 1, "B"), ("seconds", 1000, "ms")):
            mine, other = ours[turn][measure] * scale, theirs[turn][measure] * scale
            digits = 0 if unit == "B" else 2
            cells.append(f"{mine:>10,.{digits}f} {unit}{other:>12,.{digits}f} {unit}{other / mine:>8.2f}x")
        print("  ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", metavar="URL", help="a PostgreSQL server to measure on")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    # `python -m bench` leaves the names of benchmarks there.
    arguments, _ = parser.parse_known_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(*arguments.measure))))
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opengpts-bench-")))
        server_url = arguments.postgresql
        if not server_url:
            from tests.services import PostgreSQL

            server_url = stack.enter_context(PostgreSQL()).url()
        print(f"{'per turn':<11}{'turn':>5}  {'ours':>12}{'LangGraph':>14}{'':9}  {'ours':>13}{'LangGraph':>15}")
        files = [f"sqlite:///{directory / name}.sqlite3" for name in ("ours", "theirs")]
        print_table("SQLite", measure_in_process(*files))
        databases = [make_database(server_url, stack) for _ in range(2)]
        print_table("PostgreSQL", measure_in_process(*databases))


if __name__ == "__main__":
    main()
