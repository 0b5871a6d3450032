"""Places in a JSON document, as the keys and indexes that lead there."""

from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]


class Missing:
    """What is at a place that a document does not have."""


MISSING = Missing()


def value_at(document: Any, path: Path) -> Any:
    """What `path` leads to; `MISSING` where it leads nowhere."""
    for key in path:
        keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
        if key not in keys:
            return MISSING
        document = document[key]
    return document


def replaced(document: Any, values: Mapping[Path, Any]) -> Any:
    """`document` with other values at these places, all of which it has; itself where there are none."""
    if () in values:
        return values[()]
    below: dict[str | int, dict[Path, Any]] = {}
    for (key, *rest), value in values.items():
        below.setdefault(key, {})[tuple(rest)] = value
    if not below:
        return document
    copy: Any = list(document) if isinstance(document, list) else dict(document)
    for key, inner in below.items():
        copy[key] = replaced(copy[key], inner)
    return copy
