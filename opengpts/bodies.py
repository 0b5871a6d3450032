"""Request bodies: from bytes to a validated model, with the errors that OpenGPTs clients know.

The shape of the 422 answers is FastAPI's, which the original server is built on, so bodies are
validated by the same library: pydantic. Views and Channels consumers share this one function.
"""

import json
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from opengpts.errors import BadRequest, Invalid
from opengpts.strict_json import decode_json

# What one answer says of a request: so many of the faults, and so many characters of what was sent in each place.
# A request may have as many faults as values, and each could hold all of it.
MAX_COMPLAINTS = 50
MAX_SHOWN = 1000

Model = TypeVar("Model", bound=BaseModel)


def without_nul(text: str) -> str:
    """For pydantic: text that every database can store."""
    if "\x00" in text:
        raise PydanticCustomError("string_nul", "String should not contain NUL")
    return text


# A name that people give things: any text that every database can store in a short column.
Name = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(without_nul),
    Field(json_schema_extra={"pattern": r"^[^\x00]*$"}),
]


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


# After `int` and its bounds: an integer as JSON has it. 1.0 is one, true and "1" are none.
WHOLE = BeforeValidator(_number)
# As the original reads it: JSON's booleans, and what people write for them.
_FLAGS = [True, False, 1, 0, *("true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n")]
Flag = Annotated[bool, WithJsonSchema({"enum": _FLAGS})]
# The id of something that the server has made or a client has chosen. One that is no UUID is that of nothing: 404.
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


def parse_body(model: type[Model], raw: bytes, content_type: str | None) -> Model:
    """`raw` as a `model`.

    Raises `BadRequest` for bytes that are not UTF-8, `Invalid` for text that is not JSON or does not fit.
    A body of another content type is taken as one string, which no model accepts.
    """
    value = decode_body(raw, content_type)
    if value is None:
        raise Invalid([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise Invalid(complaints(exc, "body")) from exc


def decode_body(raw: bytes, content_type: str | None) -> Any:
    """The value in a body: None for none, the text for what is not called JSON. Raises `BadRequest`, `Invalid`."""
    if not raw:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest("There was an error parsing the body") from exc
    return decode_json(text) if _is_json(content_type) else text


def _is_json(content_type: str | None) -> bool:
    # A page of the web can make a browser send a body without a type, or as text, anywhere; JSON it must ask for first.
    media = (content_type or "").partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def complaints(exc: ValidationError, *loc: str | int) -> list[dict[str, Any]]:
    """What pydantic found, as clients are told it; `loc` says where the validated value stands in the request.

    The first `MAX_COMPLAINTS` of it, and of each `input` no more than the beginning.
    """
    found = []
    shown: dict[int, Any] = {}
    for error in exc.errors(include_url=False, include_context=False)[:MAX_COMPLAINTS]:
        value = error["input"]
        if id(value) not in shown:
            shown[id(value)] = beginning_of(value)
        complaint: dict[str, Any] = {
            "type": error["type"],
            "loc": [*loc, *error["loc"]],
            "msg": error["msg"],
            "input": shown[id(value)],
        }
        if error["type"] == "model_type":
            complaint |= {
                "type": "model_attributes_type",
                "msg": "Input should be a valid dictionary or object to extract fields from",
            }
        found.append(complaint)
    return found


def beginning_of(value: Any) -> Any:
    """The value itself, or the beginning of its text where it is long."""
    if not isinstance(value, str | dict | list):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
