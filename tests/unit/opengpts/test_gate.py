"""What a request must pass before a consumer sees it: a name of this server's, and HTTPS where that is asked for."""

from typing import Any

import pytest

from opengpts.gate import refuse_at_gate

pytestmark = pytest.mark.once


async def ask(
    path: str = "/runs/stream", *, scheme: str = "http", query: str = "", **headers: str
) -> tuple[int, dict[bytes, bytes]] | None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    refused = await refuse_at_gate(
        {"path": path, "scheme": scheme, "headers": raw, "query_string": query.encode()}, send
    )
    assert refused == bool(sent)
    return (sent[0]["status"], dict(sent[0]["headers"])) if sent else None


@pytest.fixture(autouse=True)
def names(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.org", "[::1]"]


@pytest.mark.parametrize("host", ["example.org", "example.org:8100", "EXAMPLE.org", "[::1]:8100"])
async def test_its_own_names(host: str) -> None:
    assert await ask(host=host) is None


@pytest.mark.parametrize("host", ["evil.example", "", "example.org.evil.example", "example.org@evil", "a b"])
async def test_other_names(host: str) -> None:
    refused = await ask(host=host)
    assert refused is not None
    assert refused[0] == 400


async def test_no_name() -> None:
    assert await ask() is not None


async def test_a_stream_is_sent_to_https_where_that_is_asked_for(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    refused = await ask(host="example.org")
    assert refused is not None
    assert (refused[0], refused[1][b"location"]) == (301, b"https://example.org/runs/stream")
    assert await ask(host="example.org", scheme="https") is None
    # What Django answers, Django redirects, but for what watches the server.
    assert await ask("/ok", host="example.org") is None


async def test_a_proxy_may_say_that_it_was_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert await ask(host="example.org", x_forwarded_proto="https") is not None
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert await ask(host="example.org", x_forwarded_proto="https") is None
    assert await ask(host="example.org", x_forwarded_proto="http", scheme="https") is not None


async def test_a_long_address_and_large_headers(settings: Any) -> None:
    settings.MAX_URL_BYTES, settings.MAX_HEADER_BYTES = 20, 100
    assert await ask("/runs", host="example.org", query="x" * 15) is None
    for refused in (
        await ask("/runs", host="example.org", query="x" * 16),
        await ask("/" + "é" * 10, host="example.org"),
    ):
        assert refused is not None
        assert refused[0] == 414
    assert await ask("/runs", host="example.org", cookie="x" * 79) is None
    large = await ask("/runs", host="example.org", cookie="x" * 80)
    assert large is not None
    assert large[0] == 431
