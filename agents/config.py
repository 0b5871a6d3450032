"""An assistant's `config`, read for a run and checked when it is saved.

The keys are those of OpenGPTs: `type`, and `type==<type>/<field>` for what belongs to one type.
Keys that nothing here knows are ignored: whoever stores the config keeps them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from agents.errors import InvalidConfig
from agents.language_models import catalogue
from agents.tools.specs import ToolSpec, parse_stored_tool, parse_tool

AssistantType = Literal["agent", "chatbot", "chat_retrieval"]
ASSISTANT_TYPES: tuple[AssistantType, ...] = get_args(AssistantType)
DEFAULT_TYPE: AssistantType = "agent"

DEFAULT_SYSTEM_MESSAGE = "You are a helpful assistant."
DEFAULT_RETRIEVAL_DESCRIPTION = (
    "Looks up information in the files that were uploaded to this assistant. "
    "Use it when the user mentions files, or asks something that the files may answer."
)

# Entries in the list of an assistant's tools. Each may be a server that every run asks for its tools.
MAX_TOOLS = 64

FieldKind = Literal["model", "text", "flag", "tools"]


@dataclass(frozen=True, slots=True)
class Field:
    """A known key of one type: `type==<type>/<name>`. `attribute` is where `AgentConfig` has its value."""

    name: str
    kind: FieldKind
    attribute: str


_SYSTEM_MESSAGE = Field("system_message", "text", "system_message")
FIELDS: dict[AssistantType, tuple[Field, ...]] = {
    "agent": (
        Field("agent_type", "model", "model"),
        _SYSTEM_MESSAGE,
        Field("tools", "tools", "tools"),
        Field("interrupt_before_action", "flag", "interrupt_before_action"),
        Field("retrieval_description", "text", "retrieval_description"),
    ),
    "chatbot": (Field("llm_type", "model", "model"), _SYSTEM_MESSAGE),
    "chat_retrieval": (Field("llm_type", "model", "model"), _SYSTEM_MESSAGE),
}


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What a graph is built from. Equal configs give the same graph, so this is the graph cache's key.

    `model` is a label of the catalogue, None for the default model. `tools` are in the order given, each once.
    """

    type: AssistantType = DEFAULT_TYPE
    model: str | None = None
    system_message: str = DEFAULT_SYSTEM_MESSAGE
    tools: tuple[ToolSpec, ...] = ()
    interrupt_before_action: bool = False
    retrieval_description: str = DEFAULT_RETRIEVAL_DESCRIPTION

    @property
    def searches(self) -> bool:
        """Whether its runs may search documents."""
        return self.type == "chat_retrieval" or any(spec.type == "retrieval" for spec in self.tools)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A value of a config that cannot be run. `loc` leads to it from the config."""

    loc: tuple[str | int, ...]
    message: str
    value: Any


def key_of(kind: AssistantType, field: Field) -> str:
    """The key under `configurable` that holds this field."""
    return f"type=={kind}/{field.name}"


def configurable_of(config: Any) -> Mapping[str, Any]:
    """What stands under `configurable` in an assistant's or a run's config; nothing where there is no such object."""
    configurable = config.get("configurable") if isinstance(config, Mapping) else None
    return configurable if isinstance(configurable, Mapping) else {}


def assistant_type(config: Any) -> AssistantType:
    """The type of the assistant with this `config`, for the shapes of the API: "agent" where it does not say."""
    kind = configurable_of(config).get("type")
    return kind if isinstance(kind, str) and kind in ASSISTANT_TYPES else DEFAULT_TYPE


def without_secrets(config: Any) -> Any:
    """A stored `config` as others than its owner may read it: without the configs of its tools.

    These hold keys, and addresses with keys in them. Which tools there are stays.
    """
    configurable = configurable_of(config)
    keys = {key_of(kind, field) for kind, fields in FIELDS.items() for field in fields if field.kind == "tools"}
    hidden = {key: _without_tool_configs(configurable[key]) for key in keys & configurable.keys()}
    return {**config, "configurable": {**configurable, **hidden}} if hidden else config


def _without_tool_configs(tools: Any) -> list[Any]:
    """The names of the tools in a list of them; what is no tool, as older versions may have stored, is left out."""
    named = [item for item in tools if isinstance(item, str | dict)] if isinstance(tools, list) else []
    return [{**item, "config": {}} if isinstance(item, dict) and "config" in item else item for item in named]


def parse_config(config: Mapping[str, Any] | None) -> AgentConfig:
    """An assistant's `{"configurable": {…}}` as an `AgentConfig`. What is absent or null has its default.

    Only the keys of its own type are read. Raises `InvalidConfig` for a value that one of them cannot have; a tool
    that cannot be used any more is none: see `agents.tools.specs.parse_stored_tool`.
    """
    configurable = _configurable(config)
    kind = _type(configurable)
    given = {
        field.attribute: value
        for field in FIELDS[kind]
        if (value := _value(configurable, kind, field, _READ_STORED)) is not None
    }
    return AgentConfig(type=kind, **given)


def find_problems(config: Mapping[str, Any] | None) -> list[ConfigProblem]:
    """Everything in `config` that cannot be run, in the keys of all types: those of other types may be used later."""
    try:
        configurable = _configurable(config)
    except InvalidConfig as exc:
        value = config.get("configurable") if isinstance(config, Mapping) else config
        return [ConfigProblem(("configurable",) if isinstance(config, Mapping) else (), exc.message, value)]
    return list(_problems(configurable))


def _problems(configurable: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    try:
        _type(configurable)
    except InvalidConfig as exc:
        yield ConfigProblem(("configurable", "type"), exc.message, configurable["type"])
    for kind, fields in FIELDS.items():
        for field in fields:
            try:
                _value(configurable, kind, field, _READ)
            except InvalidConfig as exc:
                key = key_of(kind, field)
                yield ConfigProblem(("configurable", key), exc.message, configurable[key])


def _configurable(config: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidConfig("The assistant's config should be an object.")
    configurable = config.get("configurable")
    if configurable is None:
        return {}
    if not isinstance(configurable, Mapping):
        raise InvalidConfig("configurable should be an object.")
    return configurable


def _type(configurable: Mapping[str, Any]) -> AssistantType:
    kind = configurable.get("type")
    if kind is None:
        return DEFAULT_TYPE
    if not isinstance(kind, str) or kind not in ASSISTANT_TYPES:
        raise InvalidConfig(f"type should be one of {', '.join(ASSISTANT_TYPES)}.")
    return kind


def _value(
    configurable: Mapping[str, Any], kind: AssistantType, field: Field, read: "Mapping[FieldKind, _Reader]"
) -> Any:
    """The value of one key as `AgentConfig` has it; None where it is absent or null."""
    key = key_of(kind, field)
    value = configurable.get(key)
    return None if value is None else read[field.kind](key, value)


def _read_text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidConfig(f"{key} should be a string.")
    return value


def _read_flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidConfig(f"{key} should be true or false.")
    return value


def _read_model(key: str, value: Any) -> str:
    if not isinstance(value, str) or not catalogue.is_label(value):
        raise InvalidConfig(f"{key} should be one of: {', '.join(catalogue.labels())}.")
    return value


def _read_tools(key: str, value: Any) -> tuple[ToolSpec, ...]:
    return _tools(key, value, parse_tool)


def _read_stored_tools(key: str, value: Any) -> tuple[ToolSpec, ...]:
    return _tools(key, value, parse_stored_tool)


def _tools(key: str, value: Any, parse: Callable[[Any], ToolSpec]) -> tuple[ToolSpec, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidConfig(f"{key} should be a list.")
    try:
        specs = tuple(dict.fromkeys(parse(item) for item in value))
    except InvalidConfig as exc:
        raise InvalidConfig(f"{key}: {exc.message}") from exc
    if len(specs) > MAX_TOOLS:
        raise InvalidConfig(f"{key} should have {MAX_TOOLS} tools at most.")
    return specs


_Reader = Callable[[str, Any], Any]
_READ: dict[FieldKind, _Reader] = {
    "text": _read_text,
    "flag": _read_flag,
    "model": _read_model,
    "tools": _read_tools,
}
_READ_STORED: dict[FieldKind, _Reader] = {**_READ, "tools": _read_stored_tools}
