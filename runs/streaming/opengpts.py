"""`POST /runs/stream` and `GET /runs/{id}/stream`: one run, as server-sent events in OpenGPTs' form."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from accounts.models import User
from opengpts.auth import Scope
from opengpts.bodies import parse_body
from opengpts.db import in_database_thread
from opengpts.errors import Invalid, OpenGPTsError
from opengpts.lookup import find
from runs.cancellation import cancel_run
from runs.models import UNFINISHED, Run
from runs.opengpts_stream import OpenGPTsProjection, encode_event, ending_of, error_event
from runs.schemas import RunBody
from runs.services import create_run
from runs.streaming.http import EventStreamConsumer
from runs.streaming.positions import read_numbers
from runs.streaming.reading import read_with_pauses
from threads.state import messages_of_run


class RunStreamConsumer(EventStreamConsumer):
    """`POST /runs/stream`: start a run and watch it."""

    methods = ("POST",)
    needs = Scope.RUN

    async def open(self, body: bytes) -> AsyncGenerator[bytes, None]:
        self._owner, request = await in_database_thread(self._read, body)
        self._creating = asyncio.ensure_future(in_database_thread(create_run, owner=self._owner, body=request))
        self._cancel = request.on_disconnect == "cancel"
        return watch(await asyncio.shield(self._creating), seen=None)

    def broken_off(self, error: OpenGPTsError) -> bytes:
        return error_event(error) + encode_event("end")

    async def left(self) -> None:
        if getattr(self, "_cancel", False):
            # Also where it was being created when the client left: that is done all the same.
            with suppress(OpenGPTsError):
                run = await self._creating
                await in_database_thread(cancel_run, owner=self._owner, run_id=str(run.pk))

    def _read(self, body: bytes) -> tuple[User, RunBody]:
        return self.identify(), parse_body(RunBody, body, self.header(b"content-type"))


class RunAgainConsumer(EventStreamConsumer):
    """`GET /runs/{id}/stream`: watch a run that somebody started, from its beginning or from `Last-Event-ID` on."""

    methods = ("GET",)
    needs = Scope.READ

    async def open(self, body: bytes) -> AsyncGenerator[bytes, None]:
        seen = self.header(b"last-event-id")
        if seen is not None and not (seen.isascii() and seen.isdigit() and len(seen) < 20):
            raise Invalid.at("header", "Last-Event-ID", msg="Input should be the id of an event", value=seen)
        run = await in_database_thread(self._find)
        return watch(run, seen=int(seen) if seen is not None else None)

    def broken_off(self, error: OpenGPTsError) -> bytes:
        return error_event(error) + encode_event("end")

    def _find(self) -> Run:
        mine = Run.objects.owned_by(self.identify()).select_related("thread")
        return find(mine, self.scope["url_route"]["kwargs"]["run_id"], what="Run")


async def watch(run: Run, *, seen: int | None) -> AsyncGenerator[bytes, None]:
    """A run's stream, from its beginning, or after the event of that id. An empty chunk is a moment of silence."""
    after = run.first_seq
    if after is None:
        after = (await in_database_thread(read_numbers, run.thread_id)).now
    if seen is None:
        yield encode_event("metadata", {"run_id": str(run.pk)}, seq=after)
    projection = OpenGPTsProjection(seen=seen)
    last = max(seen or 0, after)
    if run.status not in UNFINISHED:
        yield b"".join(await in_database_thread(ending_of, run=run, seq=last + 1))
        return
    async with aclosing(read_with_pauses(run.thread_id, after=after)) as batches:
        async for batch in batches:
            if batch is None:
                yield b""
                # The log may have nothing to say of its end: it was lost, or is another process's.
                if ending := await in_database_thread(ending_of, run=run, seq=last + 1):
                    yield b"".join(ending)
                    return
                continue
            if batch.gap:
                projection.skip(await in_database_thread(messages_of_run, thread=run.thread, run_id=str(run.pk)))
            last = batch.entries[-1].seq
            if events := projection.project(entry for entry in batch.entries if entry.run_id == run.pk):
                yield b"".join(events)
            if projection.ended:
                return
