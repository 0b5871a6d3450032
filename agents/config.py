"""An assistant's `config`, read for a run.

The keys are those of OpenGPTs: `type`, and `type==<type>/<field>` for what belongs to one type.
Keys that nothing here knows are ignored: whoever stores the config keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from agents import catalogue
from agents.tool_names import tool_key
from opengpts.errors import OpenGPTsError

AssistantType = Literal["agent", "chatbot", "chat_retrieval"]
ASSISTANT_TYPES: tuple[AssistantType, ...] = get_args(AssistantType)
DEFAULT_TYPE: AssistantType = "agent"

DEFAULT_SYSTEM_MESSAGE = "You are a helpful assistant."
DEFAULT_RETRIEVAL_DESCRIPTION = (
    "Looks up information in the files that were uploaded to this assistant. "
    "Use it when the user mentions files, or asks something that the files may answer."
)

# The field that names the model, for each type.
_MODEL_FIELD = {"agent": "agent_type", "chatbot": "llm_type", "chat_retrieval": "llm_type"}


class InvalidConfig(OpenGPTsError):
    """An assistant's config cannot be run as it is. The message names the key and what may stand there."""

    code = "invalid_config"


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What a graph is built from. Equal configs give the same graph, so this is the graph cache's key.

    `model` is a label of the catalogue, None for the default model. `tools` holds type keys
    (`agents.tool_names`), each once, in the order given.
    """

    type: AssistantType = DEFAULT_TYPE
    model: str | None = None
    system_message: str = DEFAULT_SYSTEM_MESSAGE
    tools: tuple[str, ...] = ()
    interrupt_before_action: bool = False
    retrieval_description: str = DEFAULT_RETRIEVAL_DESCRIPTION


def configurable_of(config: Any) -> Mapping[str, Any]:
    """What stands under `configurable` in an assistant's or a run's config; nothing where there is no such object."""
    configurable = config.get("configurable") if isinstance(config, Mapping) else None
    return configurable if isinstance(configurable, Mapping) else {}


def assistant_type(config: Any) -> AssistantType:
    """The type of the assistant with this `config`, for the shapes of the API: "agent" where it does not say."""
    kind = configurable_of(config).get("type")
    return kind if isinstance(kind, str) and kind in ASSISTANT_TYPES else DEFAULT_TYPE


def parse_config(config: Mapping[str, Any] | None) -> AgentConfig:
    """An assistant's `{"configurable": {…}}` as an `AgentConfig`. What is absent or null has its default.

    Raises `InvalidConfig` for a value that a known key cannot have.
    """
    fields = _Fields(_configurable(config))
    if fields.type != "agent":
        return AgentConfig(type=fields.type, model=fields.model(), system_message=fields.system_message())
    return AgentConfig(
        type="agent",
        model=fields.model(),
        system_message=fields.system_message(),
        tools=fields.tools(),
        interrupt_before_action=fields.boolean("interrupt_before_action", default=False),
        retrieval_description=fields.text("retrieval_description", default=DEFAULT_RETRIEVAL_DESCRIPTION),
    )


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


class _Fields:
    """The fields of the type that a `configurable` names, each checked as it is read."""

    def __init__(self, configurable: Mapping[str, Any]) -> None:
        self._configurable = configurable
        kind = configurable.get("type")
        if kind is None:
            kind = DEFAULT_TYPE
        if not isinstance(kind, str) or kind not in ASSISTANT_TYPES:
            raise InvalidConfig(f"type should be one of {', '.join(ASSISTANT_TYPES)}.")
        self.type: AssistantType = kind

    def key(self, field: str) -> str:
        return f"type=={self.type}/{field}"

    def _value(self, field: str) -> Any:
        return self._configurable.get(self.key(field))

    def text(self, field: str, *, default: str) -> str:
        value = self._value(field)
        if value is None:
            return default
        if not isinstance(value, str):
            raise InvalidConfig(f"{self.key(field)} should be a string.")
        return value

    def boolean(self, field: str, *, default: bool) -> bool:
        value = self._value(field)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidConfig(f"{self.key(field)} should be true or false.")
        return value

    def system_message(self) -> str:
        return self.text("system_message", default=DEFAULT_SYSTEM_MESSAGE)

    def model(self) -> str | None:
        field = _MODEL_FIELD[self.type]
        label = self._value(field)
        if label is None:
            return None
        if not isinstance(label, str) or label not in catalogue.MODELS:
            raise InvalidConfig(f"{self.key(field)} should be one of: {', '.join(catalogue.MODELS)}.")
        return label

    def tools(self) -> tuple[str, ...]:
        value = self._value("tools")
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise InvalidConfig(f"{self.key('tools')} should be a list.")
        return tuple(dict.fromkeys(self._tool(item) for item in value))

    def _tool(self, item: Any) -> str:
        name = item.get("type") if isinstance(item, Mapping) else item
        if not isinstance(name, str) or not name.strip():
            raise InvalidConfig(f'{self.key("tools")} should hold names, or objects like {{"type": "wikipedia"}}.')
        return tool_key(name)
