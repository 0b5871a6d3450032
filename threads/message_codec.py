"""LangChain messages as the JSON that the API shows, and back.

LangChain is imported when a message is decoded or stored, not with this module: views and the admin
import it, and must not make every management command wait for LangChain.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

# The order of API.md's first examples; what a type adds comes after.
_FIRST_KEYS = ("content", "additional_kwargs", "response_metadata", "type", "name", "id")
# Messages of these types once had a field `example`. Clients still expect it.
_TYPES_WITH_EXAMPLE = ("human", "ai")
_encode_text = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
# The `exact_type` of a row whose `data` says all, but only to Python's own parser: orjson takes large integers
# for floats, and refuses half of a surrogate pair.
_PLAIN_JSON = "json"
_MAX_ID = 255
_MAX_TYPE = 64


class UnstorableMessage(TypeError):
    """A message holds something that no serializer of ours can write down, or read again."""


@dataclass(frozen=True, slots=True)
class EncodedMessage:
    """What a message row says of its message. `exact` is set where `data` gives back another message."""

    message_id: str
    type: str
    content: str
    data: str
    exact_type: str = ""
    exact: bytes | None = None


def encode_message(message: "BaseMessage") -> str:
    """The JSON of a message, on one line, with its keys in the order of API.md.

    What JSON cannot say (bytes, objects, NaN) is shown as text, base64 or null. Raises
    `UnstorableMessage` for a value that contains itself.
    """
    return _dump(fields_of(message))


def decode_message(data: str, exact_type: str = "", exact: bytes | memoryview | None = None) -> "BaseMessage":
    """The message of a row: equal to the one that `encode_fields` was given, and of the same class."""
    if exact is not None:
        return _load_exact(exact_type, exact)
    fields = load_fields(data, exact_type)
    kind, names = _message_classes()[fields["type"]]
    if fields.keys() != names:
        return kind.model_construct(**fields)
    # The same for a message with all its fields and no others, as pickle does it, in a fifth of the time.
    message = kind.__new__(kind)
    message.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_extra__": {},
            "__pydantic_fields_set__": set(names),
            "__pydantic_private__": None,
        }
    )
    return message


def to_wire(message: "BaseMessage") -> dict[str, Any]:
    """What `encode_message` says, as a dict."""
    wire: dict[str, Any] = json.loads(encode_message(message))
    return wire


def from_wire(wire: Mapping[str, Any]) -> "BaseMessage":
    """The message that a client sent in the API's form, checked.

    Raises KeyError for a type that there is none of, pydantic's ValidationError for fields that do not fit.
    """
    fields = _without_example(dict(wire))
    if fields["type"] == "remove":
        # Its content is always empty, and it refuses to be told so.
        fields.pop("content", None)
    kind, _ = _message_classes()[fields["type"]]
    return kind(**fields)


def fields_of(message: "BaseMessage") -> dict[str, Any]:
    """A message's fields and extra fields, in containers of their own: later changes to it do not show here.

    Raises `UnstorableMessage` for a value that contains itself.
    """
    try:
        return {
            name: _copy(value) for name, value in {**message.__dict__, **(message.__pydantic_extra__ or {})}.items()
        }
    except RecursionError as error:
        raise UnstorableMessage(f"A {message.type} message contains itself, or is nested too deep.") from error


def load_fields(data: str, exact_type: str = "") -> dict[str, Any]:
    """The fields of the message that a row's `data` tells all of."""
    return _without_example(json.loads(data) if exact_type == _PLAIN_JSON else orjson.loads(data))


def has_fields(message: "BaseMessage", fields: dict[str, Any]) -> bool:
    """Whether a message's fields and extra fields are still these."""
    extra = message.__pydantic_extra__
    return equal({**message.__dict__, **extra} if extra else message.__dict__, fields)


def encode_fields(kind: "type[BaseMessage]", fields: dict[str, Any]) -> EncodedMessage:
    """The row of a message of class `kind` with these fields (`fields_of`).

    Raises `UnstorableMessage` where not even the serializer can write them.
    """
    data = _dump(fields)
    known_kind, _ = _message_classes().get(fields["type"], (None, None))
    exact: bytes | None = None
    for exact_type in ("", _PLAIN_JSON) if known_kind is kind else ():
        if _gives_back(fields, data, exact_type):
            break
    else:
        exact_type, exact = _dump_exact(kind, fields)
    return EncodedMessage(
        message_id=_key(fields["id"]),
        type=_storable(fields["type"])[:_MAX_TYPE],
        content=text_of(fields["content"]),
        data=data,
        exact_type=exact_type,
        exact=exact,
    )


def encode_row(message: "BaseMessage") -> EncodedMessage:
    """The row of a message. Raises `UnstorableMessage`."""
    return encode_fields(type(message), fields_of(message))


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal. Values that cannot be compared are not."""
    try:
        return bool(one == other)
    except Exception:  # `__eq__` of whatever an artifact holds: numpy's arrays raise ValueError, others what they like
        return False


@cache
def serializer() -> "JsonPlusSerializer":
    """LangGraph's own serializer, for all that is not JSON."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer()


@cache
def _message_classes() -> "dict[str, tuple[type[BaseMessage], Set[str]]]":
    """The class of each `type`, and the names of its fields."""
    from langchain_core import messages

    classes: list[type[BaseMessage]] = [
        messages.AIMessage,
        messages.AIMessageChunk,
        messages.ChatMessage,
        messages.ChatMessageChunk,
        messages.FunctionMessage,
        messages.FunctionMessageChunk,
        messages.HumanMessage,
        messages.HumanMessageChunk,
        messages.RemoveMessage,
        messages.SystemMessage,
        messages.SystemMessageChunk,
        messages.ToolMessage,
        messages.ToolMessageChunk,
    ]
    return {kind.model_fields["type"].default: (kind, kind.model_fields.keys()) for kind in classes}


def _dump(fields: dict[str, Any]) -> str:
    wire = {key: fields[key] for key in _FIRST_KEYS}
    if fields["type"] in _TYPES_WITH_EXAMPLE:
        wire["example"] = False
    wire.update(fields)
    try:
        return _encode(wire)
    except (TypeError, ValueError):
        pass  # it holds what JSON has no word for
    try:
        return _encode(_plain(wire))
    except (RecursionError, ValueError) as error:
        raise UnstorableMessage(f"A {fields['type']} message contains itself, or is nested too deep.") from error


def _encode(wire: Any) -> str:
    text = _encode_text(wire)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can say
        return _encode_ascii(wire)
    return text


def _gives_back(fields: dict[str, Any], data: str, exact_type: str) -> bool:
    """Whether `data` says all of these fields, and each number in it as of its kind."""
    try:
        loaded = load_fields(data, exact_type)
    except orjson.JSONDecodeError:
        return False
    return equal(loaded, fields) and _dump(loaded) == data


def _without_example(fields: dict[str, Any]) -> dict[str, Any]:
    if fields["type"] in _TYPES_WITH_EXAMPLE and fields.get("example") is False:
        del fields["example"]
    return fields


def _dump_exact(kind: "type[BaseMessage]", fields: dict[str, Any]) -> tuple[str, bytes]:
    """The serializer's payload: of the class and the fields, for it flattens what a whole message holds."""
    try:
        exact_type, exact = serializer().dumps_typed([kind.__module__, kind.__qualname__, fields])
        _load_exact(exact_type, exact)
    except Exception as error:  # whatever the objects in it raise
        raise UnstorableMessage(f"A {kind.__name__} holds a value that cannot be stored: {error}") from error
    return exact_type, exact


def _load_exact(exact_type: str, exact: bytes | memoryview) -> "BaseMessage":
    module, name, fields = serializer().loads_typed((exact_type, bytes(exact)))
    return _class_of(module, name).model_construct(**fields)


def _class_of(module: str, name: str) -> "type[BaseMessage]":
    """The class of messages of that name, of those that are loaded: a row never makes anything be imported."""
    from langchain_core.messages import BaseMessage

    classes = [BaseMessage]
    for kind in classes:
        if (kind.__module__, kind.__qualname__) == (module, name):
            return kind
        classes += kind.__subclasses__()
    raise UnstorableMessage(f"{module}.{name} is no class of messages here.")


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    """The nearest thing to `value` that JSON can say."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # NaN and the infinities
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump())
    return str(value)


def text_of(content: Any) -> str:
    """The text of a message's content, as a database takes it: of a list, that of the blocks that have one."""
    if not isinstance(content, list):
        return _storable(content) if isinstance(content, str) else ""
    texts = [block.get("text") if isinstance(block, dict) else block for block in content]
    return _storable("\n".join(text for text in texts if isinstance(text, str)))


def _storable(text: str) -> str:
    """`text` without what PostgreSQL does not take in a text: NUL and lone surrogates."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _key(message_id: str | None) -> str:
    """What a row is looked up by: the message's id, or a digest of one that does not fit the column."""
    if not message_id:
        return ""
    if len(message_id) <= _MAX_ID and _storable(message_id) == message_id:
        return message_id
    return "sha256:" + hashlib.sha256(message_id.encode(errors="surrogatepass")).hexdigest()


def message_key(message: "BaseMessage") -> str:
    """What `Message.message_id` says of this message."""
    return _key(message.id)
