"""What it costs one process to read the model's answers and do nothing with them, without our server.

Run it as a program with the model server's port, the reader's name (`json`: the HTTP stream and its JSON; `ChatOpenAI`:
LangChain's `astream`) and the loads as JSON. It prints a line of JSON for each.
"""

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench._clients import Connection, Question, Watched, ask_model
from bench._loads import Load, Outcome, measure
from bench._model_server import token

Reader = Callable[[Question], Awaitable[Watched]]
READERS = {"json": "HTTP and JSON", "ChatOpenAI": "ChatOpenAI.astream"}


def outcomes(port: int, reader: str, loads: Sequence[Load]) -> Iterator[Outcome]:
    """What each load costs a process of its own, on the cores of the calling thread."""
    command = [sys.executable, "-m", __name__, str(port), reader, json.dumps([asdict(load) for load in loads])]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Outcome(**json.loads(line))
    if process.returncode:
        raise RuntimeError(f"reading by {reader} failed")


class _ParsingConnection(Connection):
    """Parses every event, as the least that a client of a model has to do."""

    def __init__(self) -> None:
        super().__init__()
        self._partial = b""

    def data_received(self, data: bytes) -> None:
        *events, self._partial = (self._partial + data).split(b"\n\n")
        for event in events:
            content = event.partition(b"data: ")[2]
            if content.startswith(b"{"):
                orjson.loads(content)
        super().data_received(data)


def _parse_json(port: int) -> Reader:
    return lambda question: ask_model(port, question, make=_ParsingConnection)


def _chat_openai(port: int) -> Reader:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(
        model="m", api_key=SecretStr("x"), base_url=f"http://127.0.0.1:{port}/v1", streaming=True, stream_usage=True
    )

    async def read(question: Question) -> Watched:
        started, first, text = time.perf_counter(), 0.0, ""
        async for chunk in model.astream([HumanMessage(question.text)]):
            text += chunk.text
            if text and not first:
                first = time.perf_counter() - started
        if text != "".join(map(token, range(question.tokens))):
            raise RuntimeError("the answer is not whole")
        return Watched(first, time.perf_counter() - started, 0)

    return read


async def main(port: int, reader: str, loads: list[dict[str, Any]]) -> None:
    read = {"json": _parse_json, "ChatOpenAI": _chat_openai}[reader](port)
    await read(Question(tokens=10, delay=1))  # what is needed only once
    for load in loads:
        question = Question(**load.pop("question"))
        outcome = await measure(Load(question=question, **load), read, time.process_time)
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
