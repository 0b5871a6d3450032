"""A tool as an assistant's config names it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import ValidationError

from agents.errors import InvalidConfig
from agents.tools.catalogue import KINDS, key_of


class Unreadable(Enum):
    """What stands in a config for a secret that cannot be decrypted any more."""

    SECRET = "secret"  # nosec B105  # the name of a kind


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A kind of tool and its config, as JSON text with sorted keys: hashable, so that equal specs share their tools.

    `problem` says in a sentence what is wrong with a config that was stored and that the tool cannot have any more.
    """

    type: str
    config: str = field(default="{}", repr=False)
    problem: str = ""


def parse_tool(value: Any) -> ToolSpec:
    """The tool that `value` means: `{"type": …, "config": {…}}`, a type key, or a display name.

    Other keys of the object are ignored: OpenGPTs' web page adds id, name and description. So are config values that
    are "" or null: it sends them for what was left empty.
    Raises `InvalidConfig` for what is no tool, a tool that is not in the catalogue, or a config that it cannot have.
    """
    name = _name_of(value)
    config = value.get("config") if isinstance(value, Mapping) else None
    key = key_of(name)
    if key is None:
        raise InvalidConfig(f"there is no tool {name!r}. There are: {', '.join(KINDS)}.")
    if config is not None and not isinstance(config, Mapping):
        raise InvalidConfig(f"the config of {key} should be an object.")
    given = {field: setting for field, setting in (config or {}).items() if setting not in ("", None)}
    model = KINDS[key].config_model
    try:
        model.model_validate(given)
    except ValidationError as exc:
        complaint = exc.errors()[0]
        where = ".".join(str(part) for part in complaint["loc"])
        raise InvalidConfig(f"the config of {key} is wrong at {where or 'the top'}: {complaint['msg']}.") from exc
    # Without what it ignores, which would make two tools of one.
    known = {field: setting for field, setting in given.items() if field in model.model_fields}
    return ToolSpec(key, json.dumps(known, sort_keys=True))


def parse_stored_tool(value: Any) -> ToolSpec:
    """As `parse_tool`, for a run: what was right when it was saved need not be any more.

    A tool that has left the catalogue becomes a spec of a type that there is not, a config that the tool cannot have
    any more, or with a secret that is `Unreadable`, a spec with a `problem`. Raises `InvalidConfig` for what is
    no tool.
    """
    name = _name_of(value)
    key = key_of(name)
    if key is None:
        return ToolSpec(name.strip())
    if _has_unreadable(value):
        return ToolSpec(
            key,
            problem=f"{KINDS[key].name} cannot be used: this server has no key any more for a secret in its config. "
            "Enter the secret anew.",
        )
    try:
        return parse_tool(value)
    except InvalidConfig as exc:
        return ToolSpec(key, problem=f"{KINDS[key].name} cannot be used: {exc.message}")


def _has_unreadable(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if item is Unreadable.SECRET:
            return True
        waiting.extend(item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ())
    return False


def _name_of(value: Any) -> str:
    name = value.get("type") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not name.strip():
        raise InvalidConfig('a tool is a name, or an object like {"type": "wikipedia"}.')
    return name
