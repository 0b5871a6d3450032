"""A thread of the API, as its client sees it."""

from typing import Any

from opengpts.db import in_database_thread
from tests.client import APIClient


class Conversation:
    """One user's thread, with an assistant of its own. Make it in a database thread."""

    def __init__(self, *, user: str = "alice", **configurable: Any) -> None:
        self.client = APIClient(user)
        self.assistant = self.client.make_assistant(config={"configurable": configurable})
        self.thread = self.client.make_thread(self.assistant)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request."""
        return await in_database_thread(self.client, method, path, body)

    async def post_run(self, text: str | None, **body: Any) -> str:
        """The id of a new run, with a human message as input or with what `body` says."""
        given = {"input": [{"type": "human", "content": text}]} if text is not None else {"input": None}
        response = await self.ask("POST", "/runs", {"thread_id": self.thread, **given, **body})
        assert response.status_code == 200, response.content
        return str(response.json()["run_id"])

    async def state(self) -> dict[str, Any]:
        """GET the thread's state."""
        state: dict[str, Any] = (await self.ask("GET", f"/threads/{self.thread}/state")).json()
        return state

    async def messages(self) -> list[dict[str, Any]]:
        """The thread's messages."""
        values = (await self.state())["values"]
        listed: list[dict[str, Any]] = values["messages"] if isinstance(values, dict) else values
        return listed

    async def said(self) -> list[tuple[str, Any]]:
        """The type and content of each message."""
        return [(message["type"], message["content"]) for message in await self.messages()]
