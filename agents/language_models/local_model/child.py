"""One process of the local model, from start to end."""

import contextlib
import http.client
import json
import os
import selectors
import subprocess  # nosec B404  # starts our own child
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

_END_TIMEOUT = 2.0  # seconds between asking a process to end and killing it
_LOG_TAIL = 2000  # characters


def is_healthy(url: str, *, timeout: float = 5.0) -> bool:
    """Whether a model server answers at `url` within `timeout` seconds and says it is well. Blocks."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Child:
    """A process that prints `{"url": …}` once it can answer, and ends when its standard input does.

    Only one thread may use it, but for `ask_to_end` and `kill`. What it writes to standard error is in `log`.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Start it. Raises OSError when that fails."""
        self._log = log
        with log.open("wb") as stderr:
            # A session of its own: Ctrl-C in the terminal is for the server, which then ends this in its order.
            self._process = subprocess.Popen(  # nosec B603  # our own command, no shell
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0, start_new_session=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for_url(self, timeout: float) -> str | None:
        """Where it answers, or None when it ended, or said nothing usable within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        said = b""
        while not said.endswith(b"\n"):
            more = os.read(self._stdout.fileno(), 4096) if self._has_news(deadline - time.monotonic()) else b""
            if not more:
                return None
            said += more
        try:
            url = json.loads(said)["url"]
        except (ValueError, TypeError, KeyError):
            return None
        return url if isinstance(url, str) else None

    def wait_for_end(self, timeout: float) -> bool:
        """Whether it ended within `timeout` seconds."""
        # Its standard output ends with it, which wakes this thread at once and costs nothing until then.
        return self._has_news(timeout) and not os.read(self._stdout.fileno(), 4096)

    def last_words(self) -> str:
        """The end of what it wrote to standard error, for the server's log."""
        return self._log.read_text(errors="replace")[-_LOG_TAIL:].strip()

    def ask_to_end(self) -> None:
        """Close its standard input, which ends it. Returns at once; harmless when it has ended."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def kill(self) -> None:
        """End it by force. Returns at once; harmless when it has ended."""
        self._process.kill()

    def end(self) -> None:
        """End it, by force if asking does not help, and wait until it has."""
        self.ask_to_end()
        try:
            self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._stdout.close()

    def forget(self) -> None:
        """Let go of it in a forked copy of its parent: it must end with the parent, not with the copy."""
        self._stdin.close()
        self._stdout.close()

    def _has_news(self, timeout: float) -> bool:
        # Not select(), which fails on a server with more than 1024 open files.
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            return bool(selector.select(max(0.0, timeout)))
