"""Which stored tool a sent one stands for, so that it may keep the secrets of that one.

It is of the same type and sends them to the same server, always: whoever may change a config, and not read its
secrets, must not have them sent elsewhere. Among several it is the one that is the same otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from agents.tools import catalogue
from agents.tools.kinds import every_origin


class NoCounterpart(Enum):
    """Why a tool has none, in words for whoever sent it."""

    NONE_STORED = "There is no stored secret here that *** could stand for. Enter the secret."
    ELSEWHERE = "The stored secret was entered for another server, and is not sent to this one. Enter it anew."
    SEVERAL = "*** could stand for the secrets of several stored tools. Enter the secret anew."


def counterparts(sent: Sequence[Any], stored: Sequence[Any]) -> list[int | NoCounterpart]:
    """Of each sent tool the index of its counterpart among the `stored` ones, whose secrets are masked as well."""
    found: dict[int, int | NoCounterpart] = {}
    for index, tool in enumerate(sent):
        if index not in found:
            found |= _same(tool, sent, stored)
    taken = set(found.values())
    for index, tool in enumerate(sent):
        if index not in found:
            found[index] = _most_alike(tool, index, taken, stored, moved=len(sent) != len(stored))
    return [found[index] for index in range(len(sent))]


def _same(tool: Any, sent: Sequence[Any], stored: Sequence[Any]) -> dict[int, int | NoCounterpart]:
    """The counterparts of all sent tools that are equal to this one. Only their order tells equal stored ones apart."""
    here = [index for index, other in enumerate(sent) if other == tool]
    there = [index for index, other in enumerate(stored) if other == tool]
    if len(there) == 1:
        return dict.fromkeys(here, there[0])
    if there and len(here) != len(there):
        return dict.fromkeys(here, NoCounterpart.SEVERAL)
    return dict(zip(here, there, strict=False))


def _most_alike(tool: Any, index: int, taken: set[Any], stored: Sequence[Any], *, moved: bool) -> int | NoCounterpart:
    """The counterpart of a tool that was changed, or is new."""
    of_type = [other for other, item in enumerate(stored) if _type(item) is not None and _type(item) == _type(tool)]
    going_there = [other for other in of_type if _destination(stored[other]) == _destination(tool)]
    if not going_there:
        return NoCounterpart.ELSEWHERE if of_type else NoCounterpart.NONE_STORED
    # Of one that is taken this may be a copy.
    alike = [other for other in going_there if other not in taken] or going_there
    tests: list[Callable[[int], bool]] = [
        lambda other: _said(tool, "id") is not None and _said(stored[other], "id") == _said(tool, "id"),
        lambda other: _addresses(stored[other]) == _addresses(tool),
        lambda other: other == index and not moved,
    ]
    for test in tests:
        alike = [other for other in alike if test(other)] or alike
    return alike[0] if len(alike) == 1 else NoCounterpart.SEVERAL


def _type(tool: Any) -> str | None:
    name = _said(tool, "type")
    return (catalogue.key_of(name) or name) if isinstance(name, str) else None


def _said(tool: Any, key: str) -> Any:
    return tool.get(key) if isinstance(tool, Mapping) else None


def _config(tool: Any) -> Mapping[str, Any]:
    config = _said(tool, "config")
    return config if isinstance(config, Mapping) else {}


def _destination(tool: Any) -> Any:
    kind = catalogue.KINDS.get(_type(tool) or "")
    return (kind.destination if kind else every_origin)(_config(tool))


def _addresses(tool: Any) -> dict[str, str]:
    return {key: value for key, value in _config(tool).items() if isinstance(value, str) and "://" in value}
