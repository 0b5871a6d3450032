"""A connection that can be cut: a proxy in front of a server, on loopback."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_CHUNK = 65536


class CuttingProxy:
    """Passes TCP connections on to `port` of 127.0.0.1, until they are cut. Use it as a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def url(self) -> str:
        """Where clients connect to instead of the server."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> int:
        """Cut what is connected now, in the middle of whatever is said; new connections are taken. Returns how many."""
        with self._lock:
            cut, self._open = self._open, set()
        for end in cut:
            # Wakes the thread that waits for this end, which then closes it.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return len(cut) // 2

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            both = _Closing(client, server)
            self._start(both.relay_requests)
            self._start(both.relay_responses)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()


class _Closing:
    """Two ends that are closed together, when both directions are done."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._ends = (client, server)
        self._lock = threading.Lock()
        self._running = 2

    def relay_requests(self) -> None:
        client, server = self._ends
        self._relay(client, server)

    def relay_responses(self) -> None:
        client, server = self._ends
        self._relay(server, client)

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                sink.sendall(data)
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._running -= 1
            last = not self._running
        if last:
            for end in self._ends:
                end.close()
