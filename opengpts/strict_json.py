"""JSON as this server takes it from anybody: what could not be stored or sent again, or is too much, is refused.

Of a key that stands twice in an object the last value counts, as with every parser that clients are written with.
"""

import json
import math
from typing import Any, NoReturn

from opengpts.errors import Invalid

# Levels of lists and objects. What is deeper would exhaust the stack of whatever handles it next.
MAX_DEPTH = 100
# Values: members of objects and items of lists. Each costs far more in memory than on the wire, and may be complained
# about; a text that comes near MAX_BODY_BYTES is prose.
MAX_VALUES = 100_000


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
