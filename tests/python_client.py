"""The official Python client, as tests use it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from langgraph_sdk import get_client
from langgraph_sdk._async.stream import AsyncThreadStream

from tests.live_client import COOKIE

Transport = Literal["sse", "websocket"]
TRANSPORTS: tuple[Transport, ...] = ("sse", "websocket")
# Seconds for whatever a test waits for.
PATIENCE = 30.0


@asynccontextmanager
async def open_thread(
    url: str, assistant_id: str, thread_id: str | None = None, *, transport: Transport = "sse", user: str = "alice"
) -> AsyncIterator[AsyncThreadStream]:
    """A thread as the client streams it; a new one where no id is given. Raises TimeoutError after PATIENCE."""
    headers = {"Cookie": f"{COOKIE}={user}"}
    async with (
        asyncio.timeout(PATIENCE),
        get_client(url=url, api_key=None, headers=headers) as client,
        client.threads.stream(thread_id, assistant_id=assistant_id, transport=transport, headers=headers) as thread,
    ):
        yield thread


def human(text: str) -> dict[str, Any]:
    """The input of a run in which somebody says `text`."""
    return {"messages": [{"role": "user", "content": text}]}


async def read_texts(thread: AsyncThreadStream, seen: Callable[[str], object] | None = None) -> list[str]:
    """The texts of the messages of a run, from their deltas. `seen` is told each delta when it comes."""

    async def read(message: Any) -> str:
        text = ""
        async for delta in message.text:
            text += delta
            if seen is not None:
                seen(delta)
        return text

    # Beside the loop, which is what brings the deltas in.
    reading = [asyncio.ensure_future(read(message)) async for message in thread.messages]
    return [await task for task in reading]


async def read_tool_calls(thread: AsyncThreadStream) -> list[tuple[str, Any, Any]]:
    """Name, input, and output or error of each call of a tool of a run."""

    async def read(call: Any) -> tuple[str, Any, Any]:
        try:
            return call.name, call.input, await call.output
        except RuntimeError as exc:
            return call.name, call.input, exc

    reading = [asyncio.ensure_future(read(call)) async for call in thread.tool_calls]
    return [await task for task in reading]


async def until_ended(events: AsyncIterator[Any]) -> list[Any]:
    """The events up to the end of a run."""
    found = []
    async for event in events:
        if event.get("type") != "event":
            # The WebSocket transport passes the answer to its own subscription on.
            continue
        found.append(event)
        if event["method"] == "lifecycle" and event["params"]["data"]["event"] in ("completed", "failed"):
            break
    return found


def said(values: Any) -> list[tuple[str, Any]]:
    """Type and content of the messages of a thread's values, as events and `GET /threads/{id}/state` give them."""
    messages = values["messages"] if isinstance(values, dict) else values
    return [(message["type"], message["content"]) for message in messages]
