"""A local web server in a thread that answers as a test says, well or badly, and remembers what it was asked."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came: `target` is what stood in the request line, `headers` have lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which has to be JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What to answer. `pieces` are sent one by one with `delay` seconds before each, and no length is announced."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes] | None = None
    delay: float = 0.0


def json_reply(value: Any, status: int = 200) -> Reply:
    """`value` as JSON."""
    return Reply(json.dumps(value), status, {"Content-Type": "application/json"})


def redirect(location: str, status: int = 302) -> Reply:
    """A redirect."""
    return Reply(status=status, headers={"Location": location})


Route = Callable[[Asked], Reply]


class WebServer:
    """`routes` maps a path, or a path and its beginning with `*` at the end, to what answers it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Route] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                server.asked.append(asked)
                self._send(server._route(asked)(asked))

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

            def _send(self, reply: Reply) -> None:
                self.close_connection = True
                body = reply.body.encode() if isinstance(reply.body, str) else reply.body
                try:
                    self.send_response(reply.status)
                    self.send_header("Connection", "close")
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    if reply.pieces is None:
                        self.send_header("Content-Length", str(len(body)))
                        self.end_headers()
                        if self.command != "HEAD":
                            self.wfile.write(body)
                        return
                    self.end_headers()
                    for piece in reply.pieces:
                        time.sleep(reply.delay)
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:
                    return  # the client has left, as some tests mean it to

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: tests look at `asked`."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Nothing: clients leave in the middle of things here."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, reply: Reply | Route) -> str:
        """Answer `path` so from now on. Gives its address."""
        self.routes[path] = reply if callable(reply) else lambda asked: reply
        return self.url + path

    def _route(self, asked: Asked) -> Route:
        path = asked.target.partition("?")[0]
        for pattern, route in self.routes.items():
            if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                return route
        return lambda asked: json_reply({"detail": "Not Found"}, 404)

    @contextmanager
    def running(self) -> Iterator["WebServer"]:
        """The server, answering."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
