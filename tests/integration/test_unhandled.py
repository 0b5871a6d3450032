"""An error that nothing else caught is a 500 like any other: with its headers, and without its text."""

import json
from typing import Any

import pytest

from opengpts import asgi


async def ask(path: str) -> tuple[dict[str, Any], bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    await asgi.application(scope, receive, send)
    return sent[0], sent[1]["body"]


@pytest.fixture(autouse=True)
def nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    class Idle:
        def ensure_started(self) -> None:
            """Nothing to do here."""

    monkeypatch.setattr(asgi, "executor", Idle)
    monkeypatch.setattr(asgi, "worker", Idle())
    monkeypatch.setattr(asgi, "ticker", Idle())


async def test_before_anything_was_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(asgi, "http", fail)
    start, body = await ask("/ok")
    assert (start["status"], json.loads(body)) == (500, {"detail": "Internal Server Error"})
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"
    assert "the secret reason" in caplog.text


async def test_after_the_answer_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    monkeypatch.setattr(asgi, "http", fail)
    with pytest.raises(RuntimeError):
        await ask("/ok")
