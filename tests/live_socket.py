"""A client of the WebSocket of a thread, on a server that runs as a process."""

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.live_client import COOKIE, RUN_TIMEOUT

Message = dict[str, Any]


class LiveSocket:
    """Commands and events, one after the other. Use it as a context manager."""

    def __init__(
        self,
        url: str,
        thread_id: str,
        user: str | None = "alice",
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        """`headers` are sent beside the cookie of `user`; `options` are those of `websockets.sync.client.connect`."""
        given = {"Cookie": f"{COOKIE}={user}"} if user is not None else {}
        address = f"{url.replace('http', 'ws', 1)}/threads/{thread_id}/stream/events"
        options = {"max_size": None, "open_timeout": RUN_TIMEOUT, "compression": None, **options}
        self._connecting = connect(address, additional_headers={**given, **(headers or {})}, proxy=None, **options)
        self.events: list[Message] = []
        self._answers: list[Message] = []
        self._id = 0

    def __enter__(self) -> Self:
        self.connection = self._connecting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connecting.__exit__(kind, exc, traceback)

    def send(self, method: str, **params: Any) -> int:
        """Send a command, and return its id."""
        self._id += 1
        self.connection.send(json.dumps({"id": self._id, "method": method, "params": params}))
        return self._id

    def ask(self, method: str, **params: Any) -> Message:
        """Send a command, and return the answer."""
        command_id = self.send(method, **params)
        return self._until(lambda: next((answer for answer in self._answers if answer["id"] == command_id), None))

    def say(self, text: str | bytes) -> Message:
        """Send a message as it is, and return the next answer, whatever it is about."""
        before = len(self._answers)
        self.connection.send(text)
        return self._until(lambda: self._answers[before] if len(self._answers) > before else None)

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first event that is as `wanted`."""
        return self._until(lambda: next(filter(wanted, self.events), None))

    def until_over(self, run_id: str) -> Message:
        """The event that says that this run has ended."""
        ended = ("completed", "failed", "interrupted")

        def is_over(event: Message) -> bool:
            data = event["params"]["data"]
            return event["method"] == "lifecycle" and data["event"] in ended and data["run_id"] == run_id

        return self.until(is_over)

    def until_closed(self, timeout: float = RUN_TIMEOUT) -> tuple[int, list[Message]]:
        """The close code, 0 where there was none, and the frames about no command that came before."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._take(deadline)
            except ConnectionClosed as closed:
                # None where the connection was lost.
                code = closed.rcvd.code if closed.rcvd else 0
                return code, [answer for answer in self._answers if answer["id"] is None]

    def text(self) -> str:
        """What the deltas of text so far come to."""
        deltas = [event["params"]["data"] for event in self.events if event["method"] == "messages"]
        return "".join(data["delta"].get("text", "") for data in deltas if data["event"] == "content-block-delta")

    def _until(self, found: Callable[[], Message | None]) -> Message:
        deadline = time.monotonic() + RUN_TIMEOUT
        while (message := found()) is None:
            self._take(deadline)
        return message

    def _take(self, deadline: float) -> None:
        message = json.loads(self.connection.recv(max(0.0, deadline - time.monotonic())))
        (self.events if message["type"] == "event" else self._answers).append(message)
