"""Messages as clients send them: every spelling, checked, made into one.

Clients write messages in LangChain's form (`{"type": "human", …}`, as the API also answers them) or in
OpenAI's (`{"role": "user", …}`). What comes out is the first form, with an id, ready to be stored.
Nothing here needs LangChain, so that addresses resolve without importing it.
"""

import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from django.conf import settings
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from opengpts.bodies import WHOLE, Name, beginning_of, complaints
from opengpts.errors import Invalid
from opengpts.strict_json import decode_json
from threads.content_blocks import ContentBlock

TYPE_OF = {
    "human": "human",
    "user": "human",
    "HumanMessageChunk": "human",
    "ai": "ai",
    "assistant": "ai",
    "AIMessageChunk": "ai",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "remove": "remove",
}


def _known_type(text: str) -> str:
    if text not in TYPE_OF:
        choices = ", ".join(f"'{name}'" for name in ("human", "ai", "system", "tool", "user", "assistant"))
        raise PydanticCustomError("message_type", "Input should be one of {choices}", {"choices": choices})
    return TYPE_OF[text]


MessageType = Annotated[
    str,
    AfterValidator(_known_type),
    WithJsonSchema({"type": "string", "enum": [name for name in TYPE_OF if name != "remove"]}),
]
MessageId = Annotated[Name, StringConstraints(min_length=1)]


class ToolCallBody(BaseModel):
    """A call that an AI message asks for."""

    model_config = ConfigDict(extra="ignore")

    name: Name
    args: dict[str, Any]
    id: Name | None = None
    type: Literal["tool_call"] = "tool_call"


class FunctionBody(BaseModel):
    """The function of a tool call in OpenAI's form; `arguments` is JSON text."""

    name: Name
    arguments: Annotated[str, Field(json_schema_extra={"format": "json-object"})]


class OpenAIToolCallBody(BaseModel):
    """A tool call in OpenAI's form."""

    id: Name
    type: Literal["function"] = "function"
    function: FunctionBody


class InvalidToolCallBody(BaseModel):
    """A call that a model asked for in words that are no call."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["invalid_tool_call"] = "invalid_tool_call"
    name: Name | None = None
    args: str | None = None
    id: Name | None = None
    error: str | None = None


Tokens = Annotated[int, Field(ge=0, le=2**53), WHOLE]


class UsageBody(BaseModel):
    """What an answer used, in tokens."""

    model_config = ConfigDict(extra="ignore")

    input_tokens: Tokens
    output_tokens: Tokens
    total_tokens: Tokens
    input_token_details: dict[str, Tokens] = Field(default_factory=dict)
    output_token_details: dict[str, Tokens] = Field(default_factory=dict)


def _whole_message(key: str, types: list[str], *needed: str) -> dict[str, Any]:
    not_null = {name: {"not": {"type": "null"}} for name in needed}
    return {"properties": {key: {"enum": types}, **not_null}, "required": [key, *needed]}


# What the OpenAPI document says of which fields go together: `MessageBody.as_message` checks it.
_SAID = [name for name, kind in TYPE_OF.items() if kind not in ("tool", "remove")]
_WHOLE_MESSAGES = [
    _whole_message("type", _SAID, "content"),
    {**_whole_message("role", _SAID, "content"), "not": {"required": ["type"]}},
    _whole_message("type", ["tool"], "content", "tool_call_id"),
    {**_whole_message("role", ["tool"], "content", "tool_call_id"), "not": {"required": ["type"]}},
]


class MessageBody(BaseModel):
    """One message, in LangChain's form (`type`) or OpenAI's (`role`). Unknown fields are not kept."""

    model_config = ConfigDict(extra="ignore", json_schema_extra=lambda schema: schema.update(anyOf=_WHOLE_MESSAGES))

    type: MessageType | None = None
    role: MessageType | None = None
    content: str | list[str | ContentBlock] | None = None
    id: MessageId | None = None
    name: Name | None = None
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    response_metadata: dict[str, Any] = Field(default_factory=dict)
    tool_calls: list[ToolCallBody | OpenAIToolCallBody] | None = None
    invalid_tool_calls: list[InvalidToolCallBody] = Field(default_factory=list)
    usage_metadata: UsageBody | None = None
    tool_call_id: Name | None = None
    artifact: Any = None
    status: Literal["success", "error"] = "success"
    # The original's tool messages hold documents, which are dictionaries in a list like any content.

    def as_message(self) -> dict[str, Any]:
        """The message in the API's own form. Raises `ValueError` for what no field alone shows to be wrong."""
        kind = self.type or self.role
        if kind is None:
            raise PydanticCustomError("missing", "Field required: type")
        if kind == "remove" and self.id is None:
            raise PydanticCustomError("missing", "Field required: id, of the message to remove")
        if self.content is None and kind != "remove" and not (kind == "ai" and self.tool_calls):
            raise PydanticCustomError("missing", "Field required: content")
        message: dict[str, Any] = {
            "content": self.content if self.content is not None else "",
            "additional_kwargs": self.additional_kwargs,
            "response_metadata": self.response_metadata,
            "type": kind,
            "name": self.name,
            "id": self.id or str(uuid.uuid4()),
        }
        if kind == "ai":
            message |= {
                "tool_calls": [_tool_call(call) for call in self.tool_calls or []],
                "invalid_tool_calls": [call.model_dump() for call in self.invalid_tool_calls],
                "usage_metadata": self.usage_metadata and self.usage_metadata.model_dump(exclude_unset=True),
            }
        if kind == "tool":
            if self.tool_call_id is None:
                raise PydanticCustomError("missing", "Field required: tool_call_id")
            message |= {"tool_call_id": self.tool_call_id, "artifact": self.artifact, "status": self.status}
        return message


def _tool_call(call: ToolCallBody | OpenAIToolCallBody) -> dict[str, Any]:
    # Without an id nothing could answer or approve it.
    call_id = call.id or f"call_{uuid.uuid4().hex}"
    if isinstance(call, ToolCallBody):
        return {**call.model_dump(), "id": call_id}
    try:
        args = decode_json(call.function.arguments or "{}")
    except Invalid as exc:
        raise PydanticCustomError("json_invalid", "A tool call's arguments are not JSON") from exc
    if not isinstance(args, dict):
        raise PydanticCustomError("dict_type", "A tool call's arguments should be a JSON object")
    return {"name": call.function.name, "args": args, "id": call_id, "type": "tool_call"}


def _within_limits(body: MessageBody) -> dict[str, Any]:
    """The message, unless there is too much of it."""
    message = body.as_message()
    content = message["content"]
    blocks = content if isinstance(content, list) else [content]
    if len(blocks) > settings.MAX_CONTENT_BLOCKS:
        raise _too_much("{most} content blocks", "MAX_CONTENT_BLOCKS")
    texts = (block.get("text") if isinstance(block, dict) else block for block in blocks)
    if sum(len(text) for text in texts if isinstance(text, str)) > settings.MAX_MESSAGE_CHARACTERS:
        raise _too_much("{most} characters", "MAX_MESSAGE_CHARACTERS")
    if len(message.get("tool_calls", ())) + len(message.get("invalid_tool_calls", ())) > settings.MAX_TOOL_CALLS:
        raise _too_much("{most} tool calls", "MAX_TOOL_CALLS")
    if len(json.dumps(message, ensure_ascii=False).encode()) > settings.MAX_MESSAGE_BYTES:
        raise _too_much("{most} bytes, as JSON", "MAX_MESSAGE_BYTES")
    return message


def _too_much(what: str, setting: str) -> PydanticCustomError:
    context = {"most": getattr(settings, setting)}
    return PydanticCustomError("too_long", f"A message should have at most {what} ({setting})", context)


class RemovalBody(BaseModel):
    """Takes the message of that id out of the conversation."""

    type: Literal["remove"]
    id: MessageId


class MessagesBody(BaseModel):
    """Messages under a key, as graphs have them."""

    messages: list[MessageBody] | MessageBody


class ChangesBody(BaseModel):
    """Messages to add, replace or remove, under a key."""

    messages: list[MessageBody | RemovalBody] | MessageBody | RemovalBody


# For the OpenAPI document: `parse_messages` reads what these fields hold.
if TYPE_CHECKING:
    Messages: TypeAlias = Any
    Changes: TypeAlias = Any
else:
    Messages = Annotated[list[MessageBody] | MessageBody | MessagesBody, SkipValidation]
    Changes = Annotated[list[MessageBody | RemovalBody] | MessageBody | RemovalBody | ChangesBody, SkipValidation]

Message = Annotated[MessageBody, AfterValidator(_within_limits)]
_MESSAGES: TypeAdapter[list[Any]] = TypeAdapter(list[Message])


def parse_messages(value: Any, *loc: str, removals: bool = True) -> list[dict[str, Any]]:
    """The messages that `value` holds: a list, one message, or either of them under the key `messages`.

    `loc` says where `value` stands in the body. Raises `Invalid` for anything else, for too many or too large ones,
    and for the removal of a message where no `removals` are taken.
    """
    if isinstance(value, dict) and not ({"type", "role"} & value.keys()):
        if "messages" not in value:
            raise Invalid.at(*loc, "messages", msg="Field required", value=beginning_of(value), type="missing")
        value, loc = value["messages"], (*loc, "messages")
    if isinstance(value, dict):
        value = [value]
    most = settings.MAX_MESSAGES_PER_REQUEST
    if isinstance(value, list) and len(value) > most:
        msg = f"A request should have at most {most} messages, not {len(value)} (MAX_MESSAGES_PER_REQUEST)"
        raise Invalid.at(*loc, msg=msg, value=len(value), type="too_long")
    try:
        messages: list[dict[str, Any]] = _MESSAGES.validate_python(value)
    except ValidationError as exc:
        raise Invalid(complaints(exc, *loc)) from exc
    for number, message in enumerate(messages if not removals else []):
        if message["type"] == "remove":
            msg = "Messages are removed by posting to the thread's state"
            raise Invalid.at(*loc, number, "type", msg=msg, value="remove")
    return messages
