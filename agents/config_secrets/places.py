"""Which values of a config are secret.

Of a tool that this server has, the model of its config says so: what pydantic calls `SecretStr` (`writeOnly` in the
JSON schema), and addresses (`format: uri`), which may have keys in them. What no model knows, of tools that have left
the catalogue or under keys of the client's own, is judged by its name.

Values may have any shape: configs that were stored by earlier versions need not fit today's models. One of a shape
that its model does not take is secret as a whole, where the model would have had secrets in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from pydantic import BaseModel

from agents.config import FIELDS, key_of
from agents.config_secrets.masks import MASK, has_masks, is_url, masked_url
from agents.config_secrets.paths import Path
from agents.tools import catalogue

Schema = Mapping[str, Any]

# How the names of secrets end, in letters alone.
_SECRET_NAMES = (
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "privatekey",
    "secret",
    "secretkey",
    "secrets",
    "subscriptionkey",
    "token",
)
# What in the config of a tool holds secrets under names that tell nothing.
_HOLDERS = {"auth", "authentication", "cookies", "env", "headers"}
# And what of that is none.
_SHOWN = {"auth", "authentication"}
_SHOWN_OF_AUTH = frozenset({"in", "name", "type", "username"})

_TOOL_KEYS = {key_of(kind, field) for kind, fields in FIELDS.items() for field in fields if field.kind == "tools"}
_OTHER_KEYS = {key_of(kind, field) for kind, fields in FIELDS.items() for field in fields} - _TOOL_KEYS | {"type"}


def find_places(config: Any) -> dict[Path, str]:
    """The paths of all secrets in `config`, each with what is to be shown there instead."""
    found: dict[Path, str] = {}
    waiting: list[tuple[Path, Any, _Rule]] = [((), config, _Config())]
    while waiting:  # and not by recursion: nobody knows how deep it is
        path, value, rule = waiting.pop()
        mask = rule.mask(value)
        if mask is not None:
            found[path] = mask
            continue
        waiting.extend(
            ((*path, key), item, below) for key, item in _items(value) if (below := rule.below(key, item)) is not None
        )
    return found


def is_tool_list(path: Path) -> bool:
    """Whether a list of tools stands there in a config."""
    return len(path) == 2 and path[0] == "configurable" and path[1] in _TOOL_KEYS


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _is_empty(value: Any) -> bool:
    return value is None or isinstance(value, bool) or value in ("", [], {})


def _url_mask(url: str) -> str | None:
    """What to show instead of `url`; None where it has nothing to hide, and nothing that is hidden."""
    masked = masked_url(url)
    return masked if masked != url or has_masks(url) else None


class _Rule(Protocol):
    """What is secret at a place and below it."""

    def mask(self, value: Any) -> str | None:
        """What to show instead of `value`; None where it is no secret itself."""

    def below(self, key: Any, value: Any) -> "_Rule | None":
        """The rule for `value`, which stands under `key` here; None where there are no secrets."""


class _Config:
    """A whole config."""

    def mask(self, value: Any) -> None:
        return None

    def below(self, key: Any, value: Any) -> _Rule | None:
        return _Configurable() if key == "configurable" else _ByName().below(key, value)


class _Configurable:
    def mask(self, value: Any) -> None:
        return None

    def below(self, key: Any, value: Any) -> _Rule | None:
        if key in _TOOL_KEYS:
            return _Tools() if isinstance(value, list) else _ByName(in_tool=True)
        return None if key in _OTHER_KEYS else _ByName().below(key, value)


class _Tools:
    """A list of tools."""

    def mask(self, value: Any) -> None:
        return None

    def below(self, key: Any, value: Any) -> _Rule | None:
        return _Tool(value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool with its config: what the catalogue has, or what it has not any more."""

    tool: Mapping[str, Any]

    def mask(self, value: Any) -> None:
        return None

    def below(self, key: Any, value: Any) -> _Rule | None:
        if key != "config":
            return _ByName().below(key, value)
        name = self.tool.get("type")
        kind = catalogue.key_of(name) if isinstance(name, str) else None
        return _ByName(in_tool=True) if kind is None else _BySchema.of_model(catalogue.KINDS[kind].config_model)


class _Whole:
    """Secret, whatever it is."""

    def mask(self, value: Any) -> str | None:
        return None if _is_empty(value) else MASK

    def below(self, key: Any, value: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Leaves:
    """All that is written below is secret, but for what stands under the keys `shown`."""

    shown: frozenset[str] = frozenset()

    def mask(self, value: Any) -> str | None:
        return None if _is_empty(value) or isinstance(value, dict | list) else MASK

    def below(self, key: Any, value: Any) -> _Rule | None:
        return None if key in self.shown else self


@dataclass(frozen=True, slots=True)
class _ByName:
    """What has the name of a secret. In a tool also what its addresses have in them."""

    in_tool: bool = False

    def mask(self, value: Any) -> str | None:
        if not self.in_tool or not isinstance(value, str) or not is_url(value):
            return None
        return _url_mask(value)

    def below(self, key: Any, value: Any) -> _Rule | None:
        if not isinstance(key, str):
            return self
        name = "".join(letter for letter in key.lower() if letter.isalpha())
        if name.endswith(_SECRET_NAMES):
            return _Whole()
        if self.in_tool and name in _HOLDERS:
            return _Leaves(_SHOWN_OF_AUTH if name in _SHOWN else frozenset())
        return self


@dataclass(frozen=True, slots=True)
class _BySchema:
    """What a JSON schema says: one of these `choices`, which refer to `definitions`."""

    choices: tuple[Schema, ...]
    definitions: Schema

    @classmethod
    def of_model(cls, model: type[BaseModel]) -> "_BySchema":
        schema = _schema_of(model)
        return cls.of([schema], schema.get("$defs", {}))

    @classmethod
    def of(cls, schemas: list[Schema], definitions: Schema) -> "_BySchema":
        return cls(tuple(choice for schema in schemas for choice in _choices(schema, definitions)), definitions)

    def mask(self, value: Any) -> str | None:
        if _is_empty(value):
            return None
        if any(choice.get("writeOnly") for choice in self.choices):
            return MASK
        if isinstance(value, str) and any(choice.get("format") == "uri" for choice in self.choices):
            return _url_mask(value)
        misshapen = not any(_takes(choice, value) for choice in self.choices)
        return MASK if misshapen and self._has_secrets() else None

    def below(self, key: Any, value: Any) -> _Rule | None:
        inner: list[Schema] = []
        for choice in self.choices:
            if not _holds_anything(choice):
                inner += _inner(choice, key)
        if inner:
            return self.of(inner, self.definitions)
        if any(_holds_anything(choice) for choice in self.choices):
            # Somebody's document: what is called a password there is a word for one.
            return None
        # Ignored, and kept with the rest.
        return _ByName(in_tool=True).below(key, value)

    def _has_secrets(self) -> bool:
        seen: list[Schema] = []
        waiting = list(self.choices)
        while waiting:
            choice = waiting.pop()
            if choice in seen:
                continue
            seen.append(choice)
            if choice.get("writeOnly") or choice.get("format") == "uri":
                return True
            for schema in _all_inner(choice):
                waiting += _choices(schema, self.definitions)
        return False


@lru_cache(maxsize=256)
def _schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _choices(schema: Schema, definitions: Schema) -> list[Schema]:
    """The schemas without alternatives that a value of `schema` may fit."""
    if "$ref" in schema:
        return _choices(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    several = [one for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, ())]
    return [choice for one in several for choice in _choices(one, definitions)] if several else [schema]


def _takes(choice: Schema, value: Any) -> bool:
    kind = choice.get("type")
    if kind is None:
        return True
    if isinstance(value, dict | list):
        return bool(kind == ("object" if isinstance(value, dict) else "array"))
    return kind not in ("object", "array", "null")


def _holds_anything(choice: Schema) -> bool:
    """Whether it is any object, or any value."""
    names = ("properties", "patternProperties", "items", "prefixItems")
    free = choice.get("additionalProperties", True) is True and not any(name in choice for name in names)
    return free and choice.get("type", "object") == "object"


def _inner(choice: Schema, key: Any) -> list[Schema]:
    """What it says of the value under `key`."""
    if isinstance(key, int):
        return [*choice.get("prefixItems", ())[key : key + 1], *_schemas(choice.get("items"))]
    if key in choice.get("properties", {}):
        return [choice["properties"][key]]
    return [*choice.get("patternProperties", {}).values(), *_schemas(choice.get("additionalProperties"))]


def _all_inner(choice: Schema) -> list[Schema]:
    named = [*choice.get("properties", {}).values(), *choice.get("patternProperties", {}).values()]
    listed = [*choice.get("prefixItems", ()), *_schemas(choice.get("items"))]
    return [*named, *listed, *_schemas(choice.get("additionalProperties"))]


def _schemas(value: Any) -> list[Schema]:
    return [value] if isinstance(value, dict) else []
