"""A process that behaves as the local model's does, without a model: `python model_process.py RECORD [answers]`.

It adds its process id to the file RECORD, a line for each start. It ends at once, unless `answers` is given: then it
says where it listens and is well until its standard input ends. It answers every GET with how many POSTs it got, and
a POST with `{}`; but on `/v1/refuse` it closes the connection, on `/v1/break` half-way through its answer, and on
`/v1/wait` it says nothing for ten seconds.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    posts = 0

    def do_GET(self) -> None:
        self._answer(str(_Handler.posts))

    def do_POST(self) -> None:
        _Handler.posts += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/break":
            self._answer("{}", length=1000)
        elif self.path == "/v1/wait":
            time.sleep(10)
        elif self.path != "/v1/refuse":
            self._answer("{}")

    def _answer(self, body: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Silence."""


def main(record: str, *mode: str) -> None:
    with Path(record).open("a") as file:
        file.write(f"{os.getpid()}\n")
    if "answers" not in mode:
        sys.exit("no model here")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
