"""Saving from async code: what is to be saved at the same time is saved together."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from opengpts.db import in_database_thread
from threads.known_messages import KnownMessages
from threads.saving import RowToSave, Save
from threads.transactions import Statement

# Turns of the event loop for which a save is held open. LangGraph takes four, through tasks and their
# callbacks, from hearing that one checkpoint is saved to asking for the next.
GATHERING = 5


class SaveQueue:
    """Saves one thing after the other, and all that has come meanwhile in one transaction.

    LangGraph saves a step while the next one runs, and what each task wrote on its own. One transaction
    for several costs about as much as for one; and one after the other, they do not both write the
    messages that they have in common.
    """

    def __init__(self, known: KnownMessages, writer: Statement | None = None) -> None:
        self._known, self._writer = known, writer
        self._waiting: list[tuple[UUID, Sequence[RowToSave], asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def save(self, thread_id: UUID, rows: Sequence[RowToSave]) -> None:
        """Save these rows with their messages. Raises `UnknownThread`, `UnstorableMessage`.

        Cancelling the caller does not keep them from being saved.
        """
        saved = asyncio.get_running_loop().create_future()
        self._waiting.append((thread_id, rows, saved))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        await saved

    async def _work(self) -> None:
        while self._waiting:
            # Those that waited for the last transaction get to add theirs to the next one.
            for _ in range(GATHERING):
                await asyncio.sleep(0)
            waiting, self._waiting = self._waiting, []
            for thread_id in dict.fromkeys(thread_id for thread_id, _, _ in waiting):
                await self._save_together(thread_id, [item[1:] for item in waiting if item[0] == thread_id])

    async def _save_together(
        self, thread_id: UUID, parts: list[tuple[Sequence[RowToSave], asyncio.Future[None]]]
    ) -> None:
        try:
            save = Save(self._known, thread_id, [row for rows, _ in parts for row in rows], self._writer)
            await in_database_thread(save.execute)
            save.remember()
        except Exception as error:
            if len(parts) > 1:  # one of them is at fault; the others are saved all the same
                for part in parts:
                    await self._save_together(thread_id, [part])
            elif not parts[0][1].done():
                parts[0][1].set_exception(error)
        else:
            for _, saved in parts:
                if not saved.done():
                    saved.set_result(None)
