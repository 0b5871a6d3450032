"""Runs that have ended without the event log saying so.

Their rows come first: who did them may have died before it told the log, or the log was away for longer than it waits.
"""

import uuid
from collections.abc import Iterable

from django.db.models import Q

from accounts.models import User
from opengpts.db import in_database_thread
from runs.event_log import Event, LogEntry
from runs.models import LIFECYCLE_ENDS, LIFECYCLE_OF, UNFINISHED, Run, RunStatus


class UntoldEnds:
    """The runs of `owner` in a thread that somebody watches, as far as the log has told of them."""

    def __init__(self, owner: User, thread_id: uuid.UUID) -> None:
        self._owner, self._thread_id = owner, thread_id
        self._going_on: set[uuid.UUID] = set()
        # Those that had ended by their rows at the last look: the log may still be told.
        self._over: set[uuid.UUID] = set()
        # Those that `look` has told of: what the log says of them later comes too late.
        self.told: set[uuid.UUID] = set()

    def hear(self, entries: Iterable[LogEntry]) -> None:
        """The log has said this."""
        for entry in entries:
            if entry.method == "lifecycle":
                if entry.data["event"] in LIFECYCLE_ENDS:
                    self._going_on.discard(entry.run_id)
                else:
                    self._going_on.add(entry.run_id)

    async def look(self) -> list[tuple[uuid.UUID, Event]]:
        """The ends that have been missing since the last look, as events. To be called when the log is silent."""
        rows = await in_database_thread(self._read)
        over = {run.pk for run in rows if run.status not in UNFINISHED}
        missing = [run for run in rows if run.pk in over & self._over]
        self._going_on = {run.pk for run in rows} - {run.pk for run in missing}
        self._over = over
        self.told |= {run.pk for run in missing}
        return [(run.pk, _end_of(run)) for run in missing]

    def _read(self) -> list[Run]:
        mine = Run.objects.owned_by(self._owner).filter(thread=self._thread_id)
        wanted = mine.filter(Q(status__in=UNFINISHED) | Q(pk__in=self._going_on)).exclude(pk__in=self.told)
        return list(wanted.only("status", "error_code", "error_message").order_by("created_at", "pk"))


def _end_of(run: Run) -> Event:
    about = {"error": run.error_message, "code": run.error_code} if run.error_code else {}
    return "lifecycle", {"event": LIFECYCLE_OF[RunStatus(run.status)], "run_id": str(run.pk), **about}
