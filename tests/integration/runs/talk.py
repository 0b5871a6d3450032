"""A thread of the API whose runs this process does, with tools of the test's choice."""

import asyncio
import json
from typing import Any

from opengpts.db import in_database_thread
from runs.claiming import claim_run
from runs.event_log import LogEntry
from runs.event_log.memory import MemoryEventLog
from runs.execution import execute
from runs.models import Run
from runs.opengpts_stream import OpenGPTsProjection
from tests.integration.runs.conversation import Conversation

CONFIRMED: dict[str, Any] = {"type==agent/tools": ["retrieval"], "type==agent/interrupt_before_action": True}


class Talk(Conversation):
    """What a client of one thread does."""

    async def start(self, text: str | None = None, **body: Any) -> "Doing":
        """Begin a run, with a human message as input or with what `body` says."""
        await self.post_run(text, **body)
        return await self.go_on()

    async def go_on(self) -> "Doing":
        """Take up the run that waits."""
        run = await in_database_thread(claim_run)
        assert run
        return Doing(run)

    async def run(self, text: str | None = None, **body: Any) -> "Doing":
        """Begin a run and wait for its end."""
        doing = await self.start(text, **body)
        await doing.task
        await doing.refresh()
        return doing

    async def decide(self, *decisions: dict[str, Any]) -> "Doing":
        """Go on with these decisions on the calls that wait."""
        return await self.run(command={"resume": {"decisions": list(decisions)}})

    async def post(self, *messages: dict[str, Any]) -> None:
        """POST to the thread's state."""
        response = await self.ask("POST", f"/threads/{self.thread}/state", {"values": list(messages)})
        assert response.status_code == 200, response.content


class Doing:
    """A run under way, or done: its row and what it told the event log."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.log = MemoryEventLog(length=1000, ttl=60)
        self.task = asyncio.create_task(execute(run, self.log))

    async def refresh(self) -> None:
        await in_database_thread(self.run.refresh_from_db)

    async def entries(self) -> list[LogEntry]:
        return (await anext(self.log.read(self.run.thread_id, after=0))).entries

    async def requested(self) -> list[dict[str, Any]]:
        """The data of its `input.requested` events."""
        return [entry.data for entry in await self.entries() if entry.method == "input.requested"]

    async def streamed(self) -> list[Any]:
        """The messages of the last `data` of its OpenGPTs stream."""
        events = [event.decode() for event in OpenGPTsProjection().project(await self.entries())]
        data = [event.split("data: ")[1] for event in events if "event: data" in event]
        return list(json.loads(data[-1])["messages"]) if data else []
