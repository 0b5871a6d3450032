"""Tools for tests. Each writes down that it ran, as a line of JSON in the file that FAKE_TOOLS_LOG names, if any."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from langchain_core.tools import tool
from langgraph.config import get_stream_writer


def _ran(name: str, **arguments: Any) -> None:
    if path := os.environ.get("FAKE_TOOLS_LOG"):
        with Path(path).open("a") as log:
            log.write(json.dumps({"tool": name, **arguments}) + "\n")


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    _ran("add", a=a, b=b)
    return a + b


@tool
async def failing(text: str = "") -> str:
    """A tool that never works."""
    _ran("failing", text=text)
    raise ValueError(f"secret of {text}")


@tool
async def slow(seconds: float) -> str:
    """Wait."""
    _ran("slow", seconds=seconds)
    await asyncio.sleep(seconds)
    return f"waited {seconds:g}"


@tool
def block(seconds: float) -> str:
    """Wait, in a thread that nobody can stop."""
    _ran("block", seconds=seconds)
    time.sleep(seconds)
    return f"blocked {seconds:g}"


@tool
async def dump(size: int) -> str:
    """A text of that many letters."""
    return "d" * size


@tool
async def telling(count: int) -> str:
    """Tell those who watch how far it is, so many times."""
    tell = get_stream_writer()
    for number in range(1, count + 1):
        tell({"name": "progress", "payload": {"done": number, "of": count}})
    tell({"note": "finished"})
    return f"told {count} times"
