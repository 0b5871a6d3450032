"""Log entries as Redis keeps them: text that is passed on to clients as it is."""

import json
import uuid
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

from runs.event_log.entries import Event, LogEntry, dumps


class StoredEntry(LogEntry):
    """A log entry that knows its data as JSON, and reads it only for who asks."""

    def __init__(self, seq: int, run_id: uuid.UUID, method: str, text: str, timestamp: int) -> None:
        """`text` is the data as JSON."""
        self.seq, self.run_id, self.method, self.timestamp = seq, run_id, method, timestamp
        self._text = text

    @classmethod
    def load(cls, seq: int, stored: bytes) -> Self:
        """The entry of that number, which `store` has made."""
        run, timestamp, method, text = stored.decode("utf-8", "surrogatepass").split("\n", 3)
        return cls(seq, _run_id(run), method, text, int(timestamp))

    @cached_property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        """See `LogEntry`."""
        data: dict[str, Any] = json.loads(self._text)
        return data

    @cached_property
    def wire(self) -> str:
        """See `LogEntry`."""
        return self.encode(self._text)


@dataclass(slots=True)
class Page:
    """What a log answers to who asks for entries after a number.

    `born` is a name that no other log of the thread ever had, and `last` the number of its newest entry; "" and 0 where
    there is no log.
    """

    born: bytes
    last: int
    entries: list[StoredEntry]


def store(run_id: uuid.UUID, event: Event, timestamp: int) -> bytes:
    """What to keep of an event. The data comes last: it is the only part that could hold a line break, and has none."""
    method, data = event
    return f"{run_id.hex}\n{timestamp}\n{method}\n{dumps(data)}".encode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def _run_id(text: str) -> uuid.UUID:
    return uuid.UUID(hex=text)
