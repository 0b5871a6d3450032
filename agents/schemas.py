"""JSON schemas of what assistants and runs take, as OpenGPTs' own front end and others build their forms from them.

OpenGPTs' page reads, after resolving each `$ref`: `properties.configurable.properties`, by key the `type`, `title`,
`description`, `enum` and `default` of each field; and of each tool in `items.anyOf` of `type==agent/tools` the
`properties`: `type.default`, `name.const`, `description.const`, `multi_use.const` and `config.properties`.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agents.config import (
    ASSISTANT_TYPES,
    DEFAULT_TYPE,
    FIELDS,
    AgentConfig,
    AssistantType,
    Field,
    FieldKind,
    key_of,
)
from agents.language_models.catalogue import labels, proposed_label
from agents.tools.catalogue import KINDS
from agents.tools.kinds import ToolKind

Schema = dict[str, Any]

_TITLES = {
    "agent_type": "Agent Type",
    "llm_type": "LLM Type",
    "system_message": "Instructions",
    "tools": "Tools",
    "interrupt_before_action": "Tool Confirmation",
    "retrieval_description": "Retrieval Description",
}
_DESCRIPTIONS = {
    "interrupt_before_action": (
        "If Yes, you'll be asked before each tool is used.\nIf No, tools are used by the agent as it sees fit."
    ),
}


def config_schema() -> Schema:
    """What an assistant's `config` may hold, and what a run's may override. Unavailable models and tools are in it."""
    tools, definitions = _tools()
    by_kind: dict[FieldKind, Schema] = {
        "model": {"type": "string", "enum": labels(), "default": proposed_label()},
        "tools": {"type": "array", "items": {"anyOf": tools}, "default": []},
        "text": {"type": "string"},
        "flag": {"type": "boolean"},
    }
    fields = {
        key_of(kind, field): _described(kind, field) | by_kind[field.kind]
        for kind, fields in FIELDS.items()
        for field in fields
    }
    kind = {"title": "Bot Type", "type": "string", "enum": list(ASSISTANT_TYPES), "default": DEFAULT_TYPE}
    configurable = {"title": "Configurable", "type": "object", "properties": {"type": kind, **fields}}
    return {
        "title": "AssistantConfig",
        "type": "object",
        "properties": {"configurable": configurable},
        "$defs": definitions,
    }


def input_schema() -> Schema:
    """What a run's `input` may be."""
    messages = {"type": "array", "items": {"$ref": "#/$defs/Message"}}
    holding = {"type": "object", "properties": {"messages": messages}, "required": ["messages"]}
    return {
        "title": "RunInput",
        "anyOf": [messages, holding, {"$ref": "#/$defs/Message"}, {"type": "null"}],
        "$defs": {"Message": _message("human", "ai", "system", "tool", "user", "assistant")},
    }


def output_schema() -> Schema:
    """What a run comes to: the messages of the thread, under `messages` for the type chat_retrieval."""
    messages = {"type": "array", "items": {"$ref": "#/$defs/Message"}}
    holding = {"type": "object", "properties": {"messages": messages}, "required": ["messages"]}
    return {
        "title": "RunOutput",
        "anyOf": [messages, holding],
        "$defs": {"Message": _with_notice(_message("human", "ai", "system", "tool"))},
    }


def _message(*types: str) -> Schema:
    return {
        "title": "Message",
        "type": "object",
        "properties": {
            "type": {"title": "Type", "type": "string", "enum": list(types)},
            "content": {
                "title": "Content",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "object"}],
            },
            "id": {"title": "Id", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "name": {"title": "Name", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "tool_calls": {"title": "Tool Calls", "type": "array", "items": {"type": "object"}},
            "tool_call_id": {"title": "Tool Call Id", "type": "string"},
        },
        "required": ["content"],
    }


def _with_notice(message: Schema) -> Schema:
    notice = {
        "title": "Notice",
        "type": "string",
        "description": "On an ai message that this server wrote to the user: what about. No model reads it.",
    }
    extra = {"title": "Additional Kwargs", "type": "object", "properties": {"notice": notice}}
    return message | {"properties": message["properties"] | {"additional_kwargs": extra}}


def _described(kind: AssistantType, field: Field) -> Schema:
    schema: Schema = {"title": _TITLES[field.name]}
    if field.name in _DESCRIPTIONS:
        schema["description"] = _DESCRIPTIONS[field.name]
    if field.kind in ("text", "flag"):
        schema["default"] = getattr(AgentConfig(type=kind), field.attribute)
    return schema


def _tools() -> tuple[list[Schema], Schema]:
    """A schema for each tool, and the definitions that they refer to."""
    models: list[type[BaseModel]] = list(dict.fromkeys(kind.config_model for kind in KINDS.values()))
    references, definitions = models_json_schema([(model, "validation") for model in models])
    schemas = [_tool(kind, references[kind.config_model, "validation"]) for kind in KINDS.values()]
    return schemas, definitions["$defs"]


def _tool(kind: ToolKind, config: Schema) -> Schema:
    def constant(title: str, value: Any, json_type: str) -> Schema:
        return {"title": title, "const": value, "default": value, "type": json_type}

    return {
        "title": kind.name,
        "type": "object",
        "properties": {
            "type": constant("Type", kind.key, "string") | {"enum": [kind.key]},
            "name": constant("Name", kind.name, "string") | {"enum": [kind.name]},
            "description": constant("Description", kind.description, "string"),
            "config": config,
            "multi_use": constant("Multi Use", kind.multi_use, "boolean"),
        },
        "required": ["type"],
    }
