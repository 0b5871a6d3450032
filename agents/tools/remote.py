"""A tool that another server offers, with nothing of that server believed: sizes are cut and secrets taken out."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from math import isfinite
from typing import Any
from urllib.parse import quote, quote_plus

from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from agents.names import fit_name
from agents.openapi.schemas import References, SchemaReader
from opengpts.errors import OpenGPTsError

# Of one server; more would leave the model no room to think.
MAX_TOOLS = 64
# Characters that the model reads of an answer, and of an error's body.
MAX_RESULT = 32_000
MAX_ERROR = 2_000
MAX_DESCRIPTION = 1_024
# Characters of a schema as JSON, and how deep it may be: providers refuse the whole request over one they dislike.
MAX_SCHEMA = 16_000
MAX_DEPTH = 24
# How deep a schema with references is read: the first that comes to no more than MAX_SCHEMA.
_DEPTHS = (MAX_DEPTH, 6, 4, 2)
_ANYTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}

HIDDEN = "[hidden]"
# Shorter ones are no secrets, and to hide them would garble answers.
_SECRET_LENGTH = 8

Call = Callable[[dict[str, Any]], Awaitable[tuple[str, Any]]]


class RemoteTool(BaseTool):
    """A tool whose arguments are those of `args_schema`, a JSON schema, whatever their names are.

    LangChain's `StructuredTool` takes arguments named `config` or `run_manager` for its own.
    """

    response_format: str = "content_and_artifact"  # type: ignore[assignment]
    handle_tool_error: Any = True
    _call: Call = PrivateAttr()
    _secrets: "Secrets" = PrivateAttr()

    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("this tool is asynchronous")

    async def _arun(self, /, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        try:
            text, artifact = await self._call(kwargs)
        except OpenGPTsError as exc:
            # Without the cause: LangChain may log the chain, and it has requests in it.
            raise ToolException(self._secrets.hide(exc.message)) from None
        except ToolException as exc:
            raise ToolException(cut(self._secrets.hide(str(exc)), MAX_ERROR)) from None
        return cut(self._secrets.hide(text), MAX_RESULT), self._secrets.hide_in(artifact)


def remote_tool(
    name: str, description: str, schema: dict[str, Any], call: Call, *, secrets: "Secrets | None" = None
) -> BaseTool:
    """A tool that `call` runs. Its name, description and schema are made fit for providers.

    `call` gets the arguments and returns the text for the model and an artifact (JSON, or None). What it raises as
    `ToolException` or `OpenGPTsError` becomes an answer with the status "error". `secrets` never appear in either.
    """
    secrets = secrets or Secrets()
    tool = RemoteTool(
        name=fit_name(name) or "tool",
        description=cut(secrets.hide(description).strip() or name, MAX_DESCRIPTION),
        args_schema=fit_schema(secrets.hide_in(schema)),
    )
    tool._call = call
    tool._secrets = secrets
    return tool


class Secrets:
    """Values that no model, client or log may see, and what they look like encoded."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values if len(value) >= _SECRET_LENGTH for form in _forms(value)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __repr__(self) -> str:
        return "Secrets()"

    def hide(self, text: str) -> str:
        """`text` without them, and without what neither a database nor JSON can hold."""
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def hide_in(self, value: Any) -> Any:
        """The JSON `value` with `hide` done to all its texts. What is not JSON becomes text."""
        match value:
            case str():
                return self.hide(value)
            case float() if not isfinite(value):  # Python reads NaN, but JSON has no word for it
                return str(value)
            case None | bool() | int() | float():
                return value
            case dict():
                return {self.hide(str(key)): self.hide_in(item) for key, item in value.items()}
            case list() | tuple():
                return [self.hide_in(item) for item in value]
        return self.hide(str(value))


def _forms(value: str) -> Iterator[str]:
    """How `value` may be written in an address or in JSON."""
    written = json.dumps(value)[1:-1]
    yield from (value, quote(value, safe=""), quote(value), quote_plus(value), written, written.replace("/", "\\/"))


def cut(text: str, length: int) -> str:
    """`text`, or its first `length` characters with a note of how long it was."""
    return text if len(text) <= length else f"{text[:length]}\n[cut: {len(text)} characters in all]"


def fit_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` if it is an object's and not too big; else that of an object with any properties.

    What it refers to with `$ref` is put in its place, as deep as there is room. LangChain would do that without a
    limit, and a few references to references fill the memory; of one that leads nowhere it makes an error.
    """
    if not _depth_within(schema, MAX_DEPTH):
        return _ANYTHING
    if _has_references(schema):
        references = References(schema)
        read = (SchemaReader(references, depth).read(schema) for depth in _DEPTHS)
        schema = next((plain for plain in read if len(json.dumps(plain)) <= MAX_SCHEMA), _ANYTHING)
    properties = schema.get("properties", {})
    fits = (
        schema.get("type", "object") == "object"
        and isinstance(properties, dict)
        and not _has_references(schema)  # a property of that name
        and len(json.dumps(schema)) <= MAX_SCHEMA
    )
    return {**schema, "type": "object", "properties": properties} if fits else _ANYTHING


def _has_references(value: Any) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, dict) and "$ref" in value) or any(map(_has_references, children))


def _depth_within(value: Any, depth: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(depth > 0 and _depth_within(child, depth - 1) for child in children)
