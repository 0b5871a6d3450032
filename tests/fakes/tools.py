"""Tools for tests. Each writes down that it ran, as a line of JSON in the file that FAKE_TOOLS_LOG names, if any."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from langchain_core.tools import tool


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
async def dump(size: int) -> str:
    """A text of that many letters."""
    return "d" * size
