"""This process as a server: its executor does the runs of its users, and its event log tells of them."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from opengpts.db import in_database_thread
from runs.event_log import LogEntry, event_log
from runs.models import Run
from runs.streaming.opengpts import watch
from tests.integration.runs.conversation import Conversation
from threads.models import Checkpoint, CheckpointWrite, Message, Thread

# Seconds. What is waited for comes at once; a busy machine is slow.
PATIENCE = 60.0
ENDED = ("completed", "failed", "interrupted")
# Pieces of an answer that goes on until somebody stops it.
LONG = "TOKENS:2000 DELAY:20"


async def eventually(look: Callable[[], Any]) -> Any:
    """What `look` returns on a database thread, once that is something. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await in_database_thread(look)):
        if time.monotonic() > deadline:
            raise TimeoutError(look)
        await asyncio.sleep(0.02)
    return found


class House(Conversation):
    """A conversation whose runs this process does. Made by the fixture `house`."""

    async def start(self, text: str | None = None, **body: Any) -> Run:
        """A new run: with a human message as input, or with none."""
        run_id = await self.post_run(text, **body)
        return await in_database_thread(Run.objects.select_related("thread").get, pk=run_id)

    async def speak(self, text: str = LONG, **body: Any) -> Run:
        """A new run, when its model is saying something."""
        run = await self.start(text, **body)
        await self.speaking(run)
        return run

    async def run(self, text: str | None = None, **body: Any) -> Run:
        """A new run, when it has ended."""
        return await self.end_of(await self.start(text, **body))

    async def end_of(self, run: Run) -> Run:
        """The run, when it has ended, and the log has been told."""

        def ended() -> Run | None:
            return Run.objects.exclude(status__in=["pending", "running"]).filter(pk=run.pk).first()

        row: Run = await eventually(ended)
        await self.told(run, lambda entry: entry.method == "lifecycle" and entry.data["event"] in ENDED)
        return row

    async def told(self, run: Run, wanted: Callable[[LogEntry], bool]) -> LogEntry:
        """The first event of a run that is as `wanted`, when the log has it."""
        async with asyncio.timeout(PATIENCE):
            async for batch in event_log().read(run.thread_id, after=0):
                for entry in batch.entries:
                    if entry.run_id == run.pk and wanted(entry):
                        return entry
        raise AssertionError("a log never ends")

    async def speaking(self, run: Run) -> None:
        """Return when the run's model is saying something."""
        await self.told(run, lambda entry: entry.data.get("event") == "content-block-delta")

    async def at_tool(self, run: Run) -> None:
        """Return when a tool of the run is at work."""
        await self.told(run, lambda entry: entry.data.get("event") == "tool-started")

    async def cancel(self, run: Run, action: str = "interrupt") -> dict[str, Any]:
        """Ask for it, and return the answer."""
        response = await self.ask("POST", f"/runs/{run.pk}/cancel?action={action}")
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    async def stream(self, run: Run, *, seen: int | None = None) -> list[tuple[str, Any, int | None]]:
        """The events of `GET /runs/{id}/stream` to its end: name, data, id."""
        row = await in_database_thread(Run.objects.select_related("thread").get, pk=run.pk)
        async with asyncio.timeout(PATIENCE):
            return [event async for chunk in watch(row, seen=seen) for event in decode(chunk)]

    async def streamed(self, run: Run) -> list[dict[str, Any]]:
        """The messages of the last `data` of the run's stream."""
        datas = [data for name, data, _ in await self.stream(run) if name == "data"]
        return list(datas[-1]["messages"]) if datas else []

    async def events(self, run: Run) -> list[LogEntry]:
        """What the log holds of a run now."""
        entries = await event_log().newest(run.thread_id, 1_000_000)
        return [entry for entry in entries if entry.run_id == run.pk]

    async def rows(self) -> dict[str, list[Any]]:
        """Everything that the database has of the thread's state, in comparable form."""
        return await in_database_thread(self._rows)

    def _rows(self) -> dict[str, list[Any]]:
        found = {}
        for model in (Message, Checkpoint, CheckpointWrite):
            fields = [field.attname for field in model._meta.concrete_fields if field.attname != "id"]
            rows = model.objects.filter(thread_id=self.thread).order_by("pk").values_list(*fields)
            found[model.__name__] = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]
        return found

    async def event_seq(self) -> int:
        """The number of the thread's last event, as the database has it."""
        return await in_database_thread(lambda: Thread.objects.values_list("event_seq", flat=True).get(pk=self.thread))


def decode(chunk: bytes) -> list[tuple[str, Any, int | None]]:
    """The server-sent events of a chunk: name, data, id."""
    events = []
    for part in chunk.decode().split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in part.split("\r\n") if line and not line.startswith(":"))
        if fields:
            number = int(fields["id"]) if "id" in fields else None
            events.append((fields["event"], json.loads(fields["data"]) if "data" in fields else None, number))
    return events
