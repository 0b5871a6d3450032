"""What a kind of tool is. Nothing here imports LangChain: factories are imported by the first run that needs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents.outgoing.urls import origin_of


class NoConfig(BaseModel):
    """The config of a tool that has none. What older versions kept there is ignored."""

    model_config = ConfigDict(extra="ignore")


def always() -> str | None:
    """The `why_not` of a tool that needs nothing."""
    return None


def every_origin(config: Mapping[str, Any]) -> Any:
    """The `destination` of a tool that may send its secrets to each address in its config."""
    found: dict[tuple[Any, ...], str] = {}
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), config)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str) and "://" in value:
            found[path] = origin_of(value)
        elif isinstance(value, Mapping):
            waiting.extend(((*path, key), item) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(value))
    return found


@dataclass(frozen=True, slots=True)
class ToolKind:
    """One entry of the tool catalogue.

    `key` is its `type` in an assistant's config and `name` what people see. `config_model` checks the `config` object.
    `factory` is "module:function", an `async (config: config_model) -> list[BaseTool]`; it may raise
    `agents.errors.ToolUnavailable`. `why_not` says in a sentence why it cannot run on this server, None when it can.

    `lasts` is how long its built tools are kept, in seconds; None for as long as there is room. Set it where the
    tools are read from a server that may change them. `multi_use` says that one assistant may have several, with
    different configs. `destination` tells of a config whom its secrets are sent to: where that is equal for another
    config, they may be kept in it without being entered anew. With `own`, `factory` names a tool itself, or a function
    or a list of tools: see `agents.tools.own`.
    """

    key: str
    name: str
    description: str
    factory: str
    config_model: type[BaseModel] = NoConfig
    why_not: Callable[[], str | None] = always
    lasts: float | None = None
    multi_use: bool = False
    destination: Callable[[Mapping[str, Any]], Any] = every_origin
    own: bool = False
