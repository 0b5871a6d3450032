"""The tools of an MCP server, over streamable HTTP.

Each call has a session of its own: nothing stays open between calls, and no connection outlives its event loop.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from langchain_core.tools import BaseTool, ToolException
from langchain_mcp_adapters.sessions import StreamableHttpConnection, create_session
from mcp import ClientSession, McpError, types

from agents.errors import ToolUnavailable
from agents.outgoing.client import open_client
from agents.outgoing.errors import OutgoingError
from agents.outgoing.transport import Limits
from agents.outgoing.urls import host_of, secrets_in
from agents.tools.kinds_by_url import McpConfig
from agents.tools.remote import MAX_ERROR, MAX_TOOLS, Secrets, cut, remote_tool

logger = logging.getLogger(__name__)

# Seconds to list the tools where each call may take longer, and those that are left to a session to say goodbye in.
_LIST_SECONDS = 15.0
_CLOSE_SECONDS = 3.0
_MAX_PAGES = 20
# Of those not wanted, in a message.
_NAMES_SHOWN = 20

T = TypeVar("T")
_Question = Callable[[ClientSession], Awaitable[T]]


async def build(config: McpConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    secrets = Secrets([*_headers(config).values(), *_bearers(config), *secrets_in(config.url)])
    try:
        offered = await _ask(config, min(config.timeout, _LIST_SECONDS), _all_tools)
    except OutgoingError as exc:
        raise ToolUnavailable(f"The MCP server cannot be used. {secrets.hide(exc.message)}") from exc
    return [_tool(config, tool, secrets) for tool in _wanted(config, offered, secrets)]


def _wanted(config: McpConfig, offered: list[types.Tool], secrets: Secrets) -> list[types.Tool]:
    by_name = {tool.name: tool for tool in offered}
    missing = [name for name in config.tools or [] if name not in by_name]
    names = secrets.hide(", ".join(sorted(name[:64] for name in by_name)[:_NAMES_SHOWN]))
    host = host_of(config.url)
    if missing:
        raise ToolUnavailable(f"The MCP server at {host} has no tool {missing[0]!r}. It has: {names or 'none'}.")
    chosen = list(by_name.values()) if config.tools is None else [by_name[name] for name in dict.fromkeys(config.tools)]
    if len(chosen) > MAX_TOOLS:
        raise ToolUnavailable(
            f"The MCP server at {host} has {len(chosen)} tools, and an assistant may have {MAX_TOOLS} of one server. "
            f'Name the ones to use under "tools". There are, among others: {names}.'
        )
    return chosen


def _tool(config: McpConfig, tool: types.Tool, secrets: Secrets) -> BaseTool:
    async def call(arguments: dict[str, Any]) -> tuple[str, Any]:
        params = types.CallToolRequestParams(name=tool.name, arguments=arguments)
        request = types.ClientRequest(types.CallToolRequest(params=params))

        async def question(session: ClientSession) -> types.CallToolResult:
            # Not `session.call_tool`: it lists all tools once more, and checks the result by the server's own
            # schema, whose regular expressions may take for ever.
            return await session.send_request(request, types.CallToolResult)

        result = await _ask(config, config.timeout, question)
        text, artifact = _read(result)
        if result.isError:
            raise ToolException(text or "The tool failed and did not say why.")
        return text or "The tool gave no content.", artifact

    return remote_tool(tool.name, tool.description or tool.title or "", tool.inputSchema, call, secrets=secrets)


async def _all_tools(session: ClientSession) -> list[types.Tool]:
    found: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await session.list_tools(params=params)
        found += page.tools
        cursor = page.nextCursor
        if not cursor:
            break
    return found


def _read(result: types.CallToolResult) -> tuple[str, dict[str, Any] | None]:
    """The text for the model, and as artifact what is not text: blocks as MCP writes them, and structured content."""
    text = "\n".join(_text(block) for block in result.content)
    if not text and result.structuredContent is not None:
        text = json.dumps(result.structuredContent, ensure_ascii=False)
    artifact: dict[str, Any] = {}
    rest = [block for block in result.content if not isinstance(block, types.TextContent)]
    if rest:
        artifact["content"] = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in rest]
    if result.structuredContent is not None:
        artifact["structured_content"] = result.structuredContent
    return text, artifact or None


def _text(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"({block.type}, {block.mimeType[:100]})"
        case types.ResourceLink():
            return f"(link to {block.name[:200]}: {str(block.uri)[:2000]})"
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return resource.text
    return f"(file, {block.resource.mimeType or 'of unknown type'})"[:200]


async def _ask(config: McpConfig, seconds: float, question: _Question[T]) -> T:
    """Opens a session, asks, and closes it, all within `seconds`. Raises `OutgoingError`."""
    host = host_of(config.url)
    failed: list[OutgoingError] = []
    try:
        async with asyncio.timeout(seconds) as deadline:

            def stop(method: str, error: OutgoingError) -> None:
                # The session keeps a broken or unreadable answer to itself and would wait for another. Its stream
                # of notifications (GET) may break, and so may its end (DELETE).
                failed.append(error)
                if method == "POST" and not deadline.expired():
                    deadline.reschedule(0)

            async def heed(message: object) -> None:
                await asyncio.sleep(0)
                if isinstance(message, Exception):
                    stop("POST", _unreadable(host))

            async with create_session(_connection(config, seconds, stop, heed)) as session:
                await session.initialize()
                answer = await question(session)
                deadline.reschedule(None)
                return answer
    except TimeoutError:
        raise failed[0] if failed else OutgoingError(f"{host} did not answer within {seconds:g} seconds.") from None
    except Exception as exc:
        raise _explain(exc, host) from None


def _connection(
    config: McpConfig,
    seconds: float,
    on_failure: Callable[[str, OutgoingError], None],
    on_message: Callable[[object], Awaitable[None]],
) -> StreamableHttpConnection:
    def client(
        headers: dict[str, str] | None = None, timeout: httpx.Timeout | None = None, auth: httpx.Auth | None = None
    ) -> httpx.AsyncClient:
        return open_client(headers=headers, limits=Limits(seconds=seconds + _CLOSE_SECONDS), on_failure=on_failure)

    return StreamableHttpConnection(
        transport="streamable_http",
        url=config.url,
        headers=_headers(config),
        httpx_client_factory=client,
        session_kwargs={"read_timeout_seconds": timedelta(seconds=seconds), "message_handler": on_message},
    )


def _headers(config: McpConfig) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in (config.headers or {}).items()}


def _bearers(config: McpConfig) -> Iterator[str]:
    """What stands behind "Bearer " and its like: it is the secret, and not the whole header."""
    return (value.partition(" ")[2] for value in _headers(config).values())


def _explain(exc: Exception, host: str) -> OutgoingError:
    """Libraries raise their own errors, alone or in groups; the cause that tells most is told."""
    errors = list(_leaves(exc))
    for error in errors:
        match error:
            case OutgoingError():
                return error
            case httpx.HTTPStatusError():
                return OutgoingError(_status(host, error.response.status_code))
            case McpError() if error.error.message == "Session terminated":  # how the library says 404
                return OutgoingError(_status(host, 404))
            case McpError():
                return OutgoingError(f"{host} answered with an error: {cut(error.error.message, MAX_ERROR)}")
    # Not their texts: they may hold what the server sent, or headers.
    logger.info("MCP server %s: %s", host, ", ".join(type(error).__name__ for error in errors))
    return _unreadable(host)


def _unreadable(host: str) -> OutgoingError:
    return OutgoingError(f"{host} sent what is no answer of an MCP server.")


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _leaves(inner)
    else:
        yield exc


def _status(host: str, status: int) -> str:
    if status in (401, 403):
        return f"{host} answered {status}: it refuses the credentials. Check the headers."
    if status in (404, 405):
        return f"{host} answered {status}: there is no MCP server at this path."
    return f"{host} answered {status}."
