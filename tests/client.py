"""A client of the API for tests: Django's, speaking JSON, as one user of the development cookie."""

from typing import Any

from django.conf import settings
from django.test import Client


class APIClient:
    """Requests as `user`; None sends no cookie."""

    def __init__(self, user: str | None = "alice") -> None:
        self._client = Client(raise_request_exception=False)
        if user is not None:
            self._client.cookies[settings.AUTH_COOKIE] = user

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response; `.json()` decodes its body."""
        if body is None:
            return self._client.generic(method, path, headers=headers)
        return getattr(self._client, method.lower())(path, body, content_type="application/json", headers=headers)

    def make_assistant(self, **fields: Any) -> str:
        """A new assistant's id."""
        body = {"name": "a", "config": {"configurable": {}}, **fields}
        return str(self("POST", "/assistants", body).json()["assistant_id"])

    def make_thread(self, assistant_id: str | None = None, **fields: Any) -> str:
        """A new thread's id."""
        body = {"name": "t", "assistant_id": assistant_id or self.make_assistant(), **fields}
        return str(self("POST", "/threads", body).json()["thread_id"])
