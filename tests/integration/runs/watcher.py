"""One connection that is sent a thread's events in the Agent Streaming Protocol."""

import asyncio
import json
import uuid
from collections.abc import Callable, Collection
from typing import Any

from accounts.models import User
from opengpts.db import in_database_thread
from runs.streaming.feed import Feed
from runs.streaming.subscriptions import SubscribeBody, Subscription
from tests.integration.runs.house import PATIENCE, House

ALL = ("lifecycle", "messages", "values", "updates", "tools", "input", "custom", "checkpoints")
Frame = dict[str, Any]


class Watcher:
    """A feed whose frames are kept. Use it as an async context manager; `slow` holds each send until it is let go."""

    def __init__(self, house: House, user: str = "alice") -> None:
        self._thread, self._username = uuid.UUID(house.thread), user
        self.frames: list[Frame] = []
        self.sizes: list[int] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self._more = asyncio.Event()

    async def __aenter__(self) -> "Watcher":
        user = await in_database_thread(User.objects.get, username=self._username)
        self.feed = Feed(self._thread, user, self._send)
        self._task = asyncio.create_task(self.feed.run())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def subscribe(self, channels: Collection[str] = ALL, *, since: int | None = None) -> str:
        """Subscribe, and return the subscription's id."""
        body = SubscribeBody(channels=list(channels), since=since)
        return self.feed.subscribe(Subscription.of(body), since=since)

    async def until(self, wanted: Callable[[Frame], bool], *, count: int = 1) -> list[Frame]:
        """All frames until there are so many that are as `wanted`."""
        async with asyncio.timeout(PATIENCE):
            while sum(map(wanted, self.frames)) < count:
                self._more.clear()
                if self._task.done():
                    self._task.result()
                await self._more.wait()
        return list(self.frames)

    async def until_over(self, *, count: int = 1) -> list[Frame]:
        """All frames until so many runs are over."""
        return await self.until(is_over, count=count)

    async def settled(self) -> list[Frame]:
        """All frames, when nothing has come for a while."""
        seen = -1
        while seen != len(self.frames):
            seen = len(self.frames)
            await asyncio.sleep(0.3)
        return list(self.frames)

    async def _send(self, frames: list[str]) -> None:
        await self.reading.wait()
        self.sizes.append(len(frames))
        self.frames += [json.loads(frame) for frame in frames]
        self._more.set()


def data_of(frame: Frame) -> dict[str, Any]:
    """An event's data."""
    data: dict[str, Any] = frame["params"]["data"]
    return data


def is_over(frame: Frame) -> bool:
    """Whether an event says that a run has ended."""
    return frame["method"] == "lifecycle" and data_of(frame)["event"] != "running"


def is_gap(frame: Frame) -> bool:
    """Whether an event says that events are missing."""
    return frame["method"] == "custom" and data_of(frame).get("name") == "gap"


def text_of(frames: list[Frame]) -> str:
    """What the deltas of text come to."""
    deltas = [data_of(frame) for frame in frames if frame["method"] == "messages"]
    return "".join(data["delta"]["text"] for data in deltas if data["event"] == "content-block-delta")


def numbers(frames: list[Frame]) -> list[int]:
    """The numbers of all events."""
    return [frame["seq"] for frame in frames]
