"""Request bodies: from bytes to a validated model, with the errors that OpenGPTs clients know.

The shape of the 422 answers is FastAPI's, which the original server is built on, so bodies are
validated by the same library: pydantic. Views and Channels consumers share this one function.
"""

import json
import math
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from opengpts.errors import BadRequest, Invalid

# Levels of lists and objects in a body. What is deeper would exhaust the stack of whatever handles it next.
MAX_DEPTH = 100
# Values in a body: members of objects and items of lists. Each costs far more in memory than on the wire, and may
# be complained about; a body that comes near MAX_BODY_BYTES is text.
MAX_VALUES = 100_000

Model = TypeVar("Model", bound=BaseModel)


def without_nul(text: str) -> str:
    """For pydantic: text that every database can store."""
    if "\x00" in text:
        raise PydanticCustomError("string_nul", "String should not contain NUL")
    return text


# A name that people give things: any text that every database can store in a short column.
Name = Annotated[str, StringConstraints(max_length=255), AfterValidator(without_nul)]


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


def decode_json(text: str) -> Any:
    """The value that `text` is the JSON of. Raises `Invalid` for what is none, or cannot be stored, or is too much."""
    if _has_too_many_marks(text):
        raise _too_much()
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\ud" in text.lower():
            # An escaped half of a surrogate pair is legal JSON and yet no text: nothing could store or send it.
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        raise _not_json(exc.pos, exc.msg) from exc
    except UnicodeEncodeError as exc:
        raise _not_json(exc.start, "Unpaired surrogate in a string") from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    except ValueError as exc:  # an integer of more digits than Python converts
        raise _not_json(0, str(exc).split(";")[0]) from exc
    _measure(value)
    return value


def _measure(value: Any) -> None:
    """Raises `Invalid` for more than MAX_DEPTH levels or MAX_VALUES values."""
    level = [value] if isinstance(value, dict | list) else []
    values = 0
    for _ in range(MAX_DEPTH):
        values += sum(map(len, level))
        if values > MAX_VALUES:
            raise _too_much()
        items = (
            item for container in level for item in (container.values() if isinstance(container, dict) else container)
        )
        level = [item for item in items if isinstance(item, dict | list)]
        if not level:
            return
    raise _too_deep()


def _has_too_many_marks(text: str) -> bool:
    """Whether there are more values in it than could be taken, told before they are made.

    Python stands still while it reads JSON: some milliseconds for a megabyte of text, and hundreds for one of `{},`.
    """
    # A value has a comma or the beginning of its container before it, may begin one, and has a key at most.
    most = 2 * MAX_VALUES
    if sum(map(text.count, ",[{")) <= most:
        return False
    parts = text.replace("\\\\", "").replace('\\"', "").split('"', 2 * most + 1)
    # Every other part stands in a string. No value needs more than two.
    return len(parts) > 2 * most + 1 or sum(map("".join(parts[::2]).count, ",[{")) > most


def _too_much() -> Invalid:
    return _not_json(0, f"More than {MAX_VALUES} values")


def _too_deep() -> Invalid:
    return _not_json(0, f"Nested more than {MAX_DEPTH} levels deep")


def _is_json(content_type: str | None) -> bool:
    # A page of the web can make a browser send a body without a type, or as text, anywhere; JSON it must ask for first.
    media = (content_type or "").partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise json.JSONDecodeError(f"{text[:20]} is too large for a number", text, 0)
    return number


def _not_json(position: int, why: str) -> Invalid:
    return Invalid(
        [
            {
                "type": "json_invalid",
                "loc": ["body", position],
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": why},
            }
        ]
    )


def complaints(exc: ValidationError, *loc: str | int) -> list[dict[str, Any]]:
    """What pydantic found, as clients are told it; `loc` says where the validated value stands in the request."""
    found = []
    for error in exc.errors(include_url=False, include_context=False):
        complaint: dict[str, Any] = {
            "type": error["type"],
            "loc": [*loc, *error["loc"]],
            "msg": error["msg"],
            "input": error["input"],
        }
        if error["type"] == "model_type":
            complaint |= {
                "type": "model_attributes_type",
                "msg": "Input should be a valid dictionary or object to extract fields from",
            }
        found.append(complaint)
    return found
