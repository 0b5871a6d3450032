"""The operations of an HTTP API as tools, from its OpenAPI document."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
from langchain_core.tools import BaseTool, ToolException

from agents.errors import ToolUnavailable
from agents.openapi.documents import read_document, server_of
from agents.openapi.operations import Entry, Operation, list_entries, read_operation
from agents.openapi.requests import prepare
from agents.openapi.schemas import Unsupported
from agents.outgoing.client import Answer, call
from agents.outgoing.errors import OutgoingError
from agents.outgoing.redirects import origin
from agents.outgoing.transport import Limits
from agents.outgoing.urls import base_of, host_of, secrets_in
from agents.tools.kinds_by_url import Auth, BasicAuth, BearerAuth, HeaderAuth, OpenApiConfig, QueryAuth
from agents.tools.remote import MAX_ERROR, MAX_TOOLS, Secrets, cut, remote_tool

# A document may be larger than an answer: those of big APIs have ten megabytes.
_DOCUMENT = Limits(seconds=15.0, bytes=16 * 1024 * 1024)
_NAMES_SHOWN = 20

# What the model reads of an answer. Raises ToolException for one that says that it went wrong.
Reader = Callable[[Answer], str]


async def build(config: OpenApiConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    api = Api(config.auth, config.timeout, [config.spec_url or "", config.server_url or ""])
    if config.spec_url:
        trusted = config.server_url is not None and _same_origin(config.spec_url, config.server_url)
        source: dict[str, Any] | str = await api.fetch_document(config.spec_url, with_credentials=trusted)
    else:
        source = config.spec or {}
    document = await asyncio.to_thread(read_document, source)
    server = base_of(config.server_url) if config.server_url else server_of(document, read_from=config.spec_url)
    if config.auth and config.spec_url and not config.server_url and not _same_origin(server, config.spec_url):
        raise ToolUnavailable(
            f"The OpenAPI document of {host_of(config.spec_url)} names another server, {host_of(server)}. "
            "To send it the credentials, give it as server_url."
        )
    entries = _chosen(list(list_entries(document)), config.operations)
    return await asyncio.to_thread(api.tools, document, entries, server, strict=config.operations is not None)


class Api:
    """One API with the credentials for it. `addresses` are the configured ones: their queries may hold keys."""

    def __init__(self, auth: Auth | None, seconds: float, addresses: list[str]) -> None:
        self._headers, self._query, secrets = _credentials(auth)
        self._limits = Limits(seconds=seconds)
        self._secrets = Secrets([*secrets, *(value for url in addresses for value in secrets_in(url))])

    async def fetch_document(self, url: str, *, with_credentials: bool) -> str:
        """The text of the document at `url`. Raises `ToolUnavailable`."""
        try:
            answer = await call(
                "GET",
                self._with_query(url) if with_credentials else url,
                headers=self._headers if with_credentials else None,
                limits=_DOCUMENT,
            )
        except OutgoingError as exc:
            raise ToolUnavailable(f"The OpenAPI document cannot be read. {self._secrets.hide(exc.message)}") from exc
        if not answer.ok:
            raise ToolUnavailable(f"The OpenAPI document cannot be read: {host_of(url)} answered {answer.status}.")
        return answer.text

    def tools(
        self,
        document: dict[str, Any],
        entries: list[Entry],
        server: str,
        *,
        strict: bool = False,
        reader: Reader | None = None,
    ) -> list[BaseTool]:
        """The tools for `entries` at `server`. One that cannot be called is left out; if `strict`, it raises
        `ToolUnavailable`."""
        built = []
        for entry in entries:
            try:
                operation = read_operation(document, entry)
            except Unsupported as exc:
                if strict:
                    raise ToolUnavailable(f"The operation {entry.name} {exc}.") from exc
                continue
            built.append(self._tool(operation, server, reader or read_answer))
        if not built:
            raise ToolUnavailable("The OpenAPI document has no operation that can be called.")
        return built

    def _tool(self, operation: Operation, server: str, reader: Reader) -> BaseTool:
        async def act(arguments: dict[str, Any]) -> tuple[str, Any]:
            request = prepare(operation, arguments)
            reserved = {name for name, _ in self._query}
            request.query[:] = [pair for pair in request.query if pair[0] not in reserved] + self._query
            answer = await call(
                operation.method,
                request.url(server),
                headers={**request.headers, **self._headers},
                content=request.content,
                limits=self._limits,
            )
            return reader(answer), None

        return remote_tool(operation.name, operation.description, operation.schema, act, secrets=self._secrets)

    def _with_query(self, url: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in self._query)
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def read_answer(answer: Answer) -> str:
    """The text of `answer`, or what it is where it is no text. Raises ToolException unless it went well."""
    kind = answer.content_type or "of unknown type"
    textual = answer.is_json or answer.content_type.startswith("text/") or answer.content_type.endswith("xml")
    text = answer.text if textual or not answer.content_type else f"({len(answer.body)} bytes, {kind})"
    if not answer.ok:
        raise ToolException(f"The server answered {answer.status}: {cut(text, MAX_ERROR) or '(nothing)'}")
    return text or f"(status {answer.status}, no content)"


def _chosen(entries: list[Entry], wanted: list[str] | None) -> list[Entry]:
    names = ", ".join(entry.id[:64] for entry in entries[:_NAMES_SHOWN])
    if wanted is not None:
        known = {entry.name: entry for entry in entries} | {entry.id: entry for entry in entries}
        if missing := [name for name in wanted if name not in known]:
            raise ToolUnavailable(f"The API has no operation {missing[0]!r}. It has, among others: {names or 'none'}.")
        entries = [known[name] for name in dict.fromkeys(wanted)]
    if len(entries) > MAX_TOOLS:
        raise ToolUnavailable(
            f"The API has {len(entries)} operations, and an assistant may have {MAX_TOOLS} of one API. "
            f'Name the ones to use under "operations". There are, among others: {names}.'
        )
    return entries


def _same_origin(one: str, other: str) -> bool:
    return origin(httpx.URL(one)) == origin(httpx.URL(other))


def _credentials(auth: Auth | None) -> tuple[dict[str, str], list[tuple[str, str]], list[str]]:
    """Headers, pairs of the query (percent-encoded), and the texts that are secret."""
    match auth:
        case BearerAuth():
            token = auth.token.get_secret_value()
            return {"authorization": f"Bearer {token}"}, [], [token]
        case HeaderAuth():
            value = auth.value.get_secret_value()
            return {auth.name.lower(): value}, [], [value, value.partition(" ")[2]]
        case QueryAuth():
            value = auth.value.get_secret_value()
            return {}, [(quote(auth.name, safe=""), quote(value, safe=""))], [value]
        case BasicAuth():
            password = auth.password.get_secret_value()
            encoded = b64encode(f"{auth.username}:{password}".encode()).decode()
            return {"authorization": f"Basic {encoded}"}, [], [password, encoded]
    return {}, [], []
