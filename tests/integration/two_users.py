"""What two users have on one server, kept in plain Python: what the server should answer, whatever they do."""

from dataclasses import dataclass, field
from typing import Any

ECHO = "Echo: "


@dataclass(frozen=True)
class Said:
    """A message: its id, who says it and what."""

    id: str
    type: str
    content: str

    @property
    def body(self) -> dict[str, str]:
        """As a client sends it."""
        return {"id": self.id, "type": self.type, "content": self.content}


Conversation = tuple[Said, ...]


@dataclass
class Assistant:
    """`touched` orders lists: the one that was written last is the first."""

    id: str
    owner: str
    name: str
    public: bool
    touched: int


@dataclass
class Thread:
    """A conversation, and what it was at each checkpoint that a client has seen."""

    id: str
    owner: str
    name: str
    assistant: str | None
    touched: int
    messages: Conversation = ()
    checkpoints: dict[str, Conversation] = field(default_factory=dict)


@dataclass
class Run:
    """What was asked; `checkpoint` is where it begins, where that is not the thread's newest state."""

    id: str
    owner: str
    thread: str
    assistant: str | None
    input: Conversation
    checkpoint: str | None
    status: str = "pending"

    @property
    def waits(self) -> bool:
        return self.status == "pending"


class Expected:
    """All that there is."""

    def __init__(self) -> None:
        self.assistants: dict[str, Assistant] = {}
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self._clock = 0

    def now(self) -> int:
        """A later moment each time."""
        self._clock += 1
        return self._clock

    def visible(self, user: str, assistant: str | None) -> bool:
        """Whether `user` may read and run that assistant."""
        found = self.assistants.get(assistant or "")
        return found is not None and (found.public or found.owner == user)

    def delete_assistant(self, assistant: str) -> None:
        """Its threads and runs stay, without one."""
        del self.assistants[assistant]
        rows: list[Thread | Run] = [*self.threads.values(), *self.runs.values()]
        for row in rows:
            if row.assistant == assistant:
                row.assistant = None

    def delete_thread(self, thread: str) -> None:
        """Its runs go with it."""
        del self.threads[thread]
        self.runs = {key: run for key, run in self.runs.items() if run.thread != thread}

    def next_run(self) -> Run | None:
        """The oldest that waits."""
        return next((run for run in self.runs.values() if run.waits), None)

    def finish(self, run: Run) -> None:
        """Do the run: what it was asked goes into the thread, and an answer to the last that a person has said."""
        thread = self.threads[run.thread]
        before = thread.checkpoints[run.checkpoint] if run.checkpoint else thread.messages
        thread.messages = added(before, run.input)
        if run.assistant is None:
            # Nothing answers; what was said stays said.
            run.status = "error"
            return
        last = next(message for message in reversed(thread.messages) if message.type == "human")
        thread.messages += (Said("", "ai", f"{ECHO}{last.content}"),)
        run.status = "success"

    def newest_first(self, rows: Any) -> list[str]:
        """The ids of assistants or threads, as lists have them."""
        return [row.id for row in sorted(rows, key=lambda row: -row.touched)]


def added(conversation: Conversation, new: Conversation) -> Conversation:
    """The conversation with these messages: each at the place of the one whose id it has, or at the end."""
    result = list(conversation)
    for message in new:
        place = next((i for i, old in enumerate(result) if old.id == message.id), None)
        if place is None:
            result.append(message)
        else:
            result[place] = message
    return tuple(result)
