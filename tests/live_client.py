"""A client of a server that runs as a process: what `requests` sends, as one user of the development cookie."""

import json
import time
from collections.abc import Sequence
from typing import Any

import requests

Files = Sequence[tuple[str, bytes]]

COOKIE = "opengpts_user_id"
# Seconds. A run of a test is short; a busy machine is slow.
RUN_TIMEOUT = 30.0
UNFINISHED = ("pending", "running")


class LiveClient:
    """Requests to the server at `url` as `user`. Nothing is kept between them but the connection."""

    def __init__(self, url: str, user: str = "alice") -> None:
        self._url = url
        self._session = requests.Session()
        self._session.cookies[COOKIE] = user

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send `body` as JSON. `options` are those of `requests.request`."""
        if body is not None:
            options["json"] = body
        return self._session.request(method, self._url + path, **{"timeout": RUN_TIMEOUT, **options})

    def get(self, path: str) -> Any:
        """What the server answers, decoded. Raises `requests.HTTPError` for an error."""
        response = self("GET", path)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: Any) -> Any:
        """What the server answers, decoded. Raises `requests.HTTPError` for an error."""
        response = self("POST", path, body)
        response.raise_for_status()
        return response.json()

    def upload(self, path: str, files: Files, **fields: str) -> requests.Response:
        """Send files, each a name and its bytes, as a form with these fields beside them."""
        return self("POST", path, files=[("files", file) for file in files], data=fields)

    def ingest(self, files: Files, **ids: str) -> list[list[str]]:
        """Put files where `assistant_id` or `thread_id` says, and return the ids of their chunks, once they are stored.

        Raises `requests.HTTPError` for an error.
        """
        response = self.upload("/ingest", files, config=json.dumps({"configurable": ids}))
        response.raise_for_status()
        found: list[list[str]] = response.json()
        return found

    def wait_for_document(self, document_id: str, *, timeout: float = RUN_TIMEOUT) -> dict[str, Any]:
        """The document, once it has been read. Raises TimeoutError when it has not within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            document: dict[str, Any] = self.get(f"/documents/{document_id}")
            if document["status"] not in ("pending", "processing"):
                return document
            if time.monotonic() > deadline:
                raise TimeoutError(f"the document has not been read: {document}")
            time.sleep(0.05)

    def make_assistant(self, **configurable: Any) -> str:
        """The id of a new assistant of that configuration."""
        made = self.post("/assistants", {"name": "a", "config": {"configurable": configurable}})
        return str(made["assistant_id"])

    def make_thread(self, **configurable: Any) -> str:
        """The id of a new thread, with a new assistant of that configuration."""
        assistant_id = self.make_assistant(**configurable)
        return str(self.post("/threads", {"name": "t", "assistant_id": assistant_id})["thread_id"])

    def start_run(self, thread_id: str, *texts: str) -> str:
        """Start a run in the background that adds these human messages; its id."""
        return str(self.post("/runs", run_body(thread_id, *texts))["run_id"])

    def stream(self, thread_id: str, *texts: str) -> requests.Response:
        """Start a run and watch it: the response, whose body is still to come."""
        return self("POST", "/runs/stream", run_body(thread_id, *texts), stream=True)

    def wait_for_run(self, run_id: str, *, timeout: float = RUN_TIMEOUT) -> dict[str, Any]:
        """The run, once it has ended. Raises TimeoutError when it has not within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            run: dict[str, Any] = self.get(f"/runs/{run_id}")
            if run["status"] not in UNFINISHED:
                return run
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run has not ended: {run}")
            time.sleep(0.05)

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """The thread's messages."""
        values = self.get(f"/threads/{thread_id}/state")["values"]
        listed: list[dict[str, Any]] = values["messages"] if isinstance(values, dict) else values
        return listed

    def said(self, thread_id: str) -> list[tuple[str, Any]]:
        """The type and the content of each of the thread's messages."""
        return [(message["type"], message["content"]) for message in self.messages(thread_id)]


def run_body(thread_id: str, *texts: str) -> dict[str, Any]:
    """The body that asks for a run."""
    return {"thread_id": thread_id, "input": {"messages": [{"type": "human", "content": text} for text in texts]}}
