"""A real MCP server over streamable HTTP, in a thread, with tools that do what tests need."""

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import anyio
import uvicorn
from mcp.server.fastmcp import Audio, FastMCP, Image
from mcp.types import (
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import AnyUrl
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "a-long-secret-key"
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


class McpServer:
    """Listens on a free port. `asked` has the method and headers of each request; `elsewhere` redirects all to it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.elsewhere: str | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._mcp = FastMCP("tests")
        _add_tools(self._mcp)
        config = uvicorn.Config(
            self._guarded(self._mcp.streamable_http_app()), log_level="critical", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """Where the server speaks MCP."""
        return f"http://127.0.0.1:{self.port}/mcp"

    @contextmanager
    def running(self) -> Iterator["McpServer"]:
        """The server, answering."""
        thread = Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        thread.start()
        while not self._server.started:
            time.sleep(0.01)
        try:
            yield self
        finally:
            self._server.should_exit = True
            thread.join()
            self._socket.close()

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            self.asked.append((scope["method"], headers))
            if self.elsewhere:
                return await RedirectResponse(self.elsewhere)(scope, receive, send)
            if headers.get("authorization") != f"Bearer {KEY}":
                return await PlainTextResponse("Who are you?", 401)(scope, receive, send)
            return await app(scope, receive, send)

        return checked


def _add_tools(mcp: FastMCP) -> None:
    @mcp.tool()
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    @mcp.tool()
    def odd_names(config: str, run_manager: str, runtime: str, self_: str = "") -> str:
        """Takes what LangChain has other uses for."""
        return f"{config} {run_manager} {runtime}"

    @mcp.tool()
    def fail() -> str:
        """Fails."""
        raise ValueError("the printer is on fire")

    @mcp.tool()
    def leak() -> str:
        """Repeats what it should not."""
        return f"your key is {KEY}\0"

    @mcp.tool()
    async def slow(seconds: float) -> str:
        """Takes its time."""
        await anyio.sleep(seconds)
        return "at last"

    @mcp.tool()
    def long(length: int) -> str:
        """Says much."""
        return "x" * length

    @mcp.tool(structured_output=False)
    def nothing() -> None:
        """Says nothing."""

    @mcp.tool(structured_output=False)
    def many_kinds() -> list[Any]:
        """Shows things."""
        return [
            "a text",
            Image(data=PIXEL, format="png"),
            Audio(data=b"RIFF", format="wav"),
            EmbeddedResource(
                type="resource",
                resource=TextResourceContents(uri=AnyUrl("file:///a.txt"), mimeType="text/plain", text="in a file"),
            ),
            EmbeddedResource(
                type="resource",
                resource=BlobResourceContents(uri=AnyUrl("file:///a.bin"), mimeType="application/x-bin", blob="AAAA"),
            ),
            ResourceLink(type="resource_link", name="the docs", uri=AnyUrl("https://docs.test/a")),
        ]

    @mcp.tool()
    def structured_only() -> CallToolResult:
        """Gives structured content and no text."""
        return CallToolResult(content=[], structuredContent={"temperature": 21})

    @mcp.tool()
    def failing_picture() -> CallToolResult:
        """Fails with something to see."""
        picture = Image(data=PIXEL, format="png").to_image_content()
        return CallToolResult(content=[TextContent(type="text", text="see:"), picture], isError=True)
