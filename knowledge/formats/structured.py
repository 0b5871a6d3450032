"""JSON, and JSON by lines."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from knowledge.formats.documents import Section
from knowledge.formats.outline import Outline


def read(text: str) -> Iterable[Section]:
    """Each value on a line of its own behind its path ("owner.emails[0]: ..."): a line makes sense by itself.

    A list of flat objects is read as a table. The members of the outermost object are the sections.
    Raises `ValueError` or `RecursionError` where the text is no JSON.
    """
    return _sections(_parsed(text))


def read_lines(text: str) -> Iterable[Section]:
    """As `read`, of a list with a value on each line."""
    return _sections([_parsed(line) for line in text.splitlines() if line.strip()])


def _parsed(text: str) -> object:
    # Figures are kept as they are written.
    return json.loads(text, parse_float=str, parse_int=str)


def _sections(value: object) -> list[Section]:
    outline = Outline()
    if isinstance(value, dict) and any(isinstance(member, dict | list) for member in value.values()):
        for key, member in value.items():
            if isinstance(member, dict | list):
                outline.heading(1, key)
            _write(member, key, outline)
    else:
        _write(value, "", outline)
    return outline.sections()


def _write(value: object, path: str, outline: Outline) -> None:
    if isinstance(value, list) and _is_table(value):
        names = list(dict.fromkeys(name for row in value for name in row))
        outline.table([names, *([_shown(row.get(name)) for name in names] for row in value)])
    elif isinstance(value, list):
        # Each member of a list is a paragraph.
        for number, member in enumerate(value):
            outline.paragraph("\n".join(_flat(member, f"{path}[{number}]")))
    else:
        outline.paragraph("\n".join(_flat(value, path)))


def _is_table(value: list[Any]) -> bool:
    return (
        len(value) > 1
        and all(isinstance(row, dict) and row for row in value)
        and len({frozenset(row) for row in value}) <= 1 + len(value) // 10
        and not any(isinstance(cell, dict | list) for row in value for cell in row.values())
    )


def _flat(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flat(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        if all(not isinstance(member, dict | list) for member in value):
            yield f"{path}: {', '.join(map(_shown, value))}"
        else:
            for number, member in enumerate(value):
                yield from _flat(member, f"{path}[{number}]")
    else:
        yield f"{path}: {_shown(value)}" if path else _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
