"""The tools there are, by their type key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings

from agents.tools.kinds import ToolKind
from agents.tools.kinds_by_url import KINDS_BY_URL
from agents.tools.kinds_of_opengpts import KINDS_OF_OPENGPTS
from agents.tools.own import own_kind

BUILT_IN: dict[str, ToolKind] = {kind.key: kind for kind in [*KINDS_OF_OPENGPTS, *KINDS_BY_URL]}

# Names that earlier versions of OpenGPTs showed and that stand in old configs, in lower case.
EARLIER_NAMES = {
    "ddg search": "ddg_search",
    "action server by robocorp": "action_server_by_sema4ai",
}


@lru_cache(maxsize=8)
def _with_own(paths: tuple[str, ...]) -> dict[str, ToolKind]:
    # What comes with the server wins where names clash; `agents.checks` reports that at the start.
    return {kind.key: kind for kind in map(own_kind, paths)} | BUILT_IN


class _Kinds(Mapping[str, ToolKind]):
    """Reads the setting each time, so that a change of it (tests) is seen."""

    def _all(self) -> dict[str, ToolKind]:
        return _with_own(tuple(settings.TOOLS))

    def __getitem__(self, key: str) -> ToolKind:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        own = [key for key in self._all() if key not in BUILT_IN]
        return iter([*BUILT_IN, *own])

    def __len__(self) -> int:
        return len(self._all())


# Every kind by its type key: those that come with the server, and then those of the setting TOOLS.
KINDS: Mapping[str, ToolKind] = _Kinds()


@dataclass(frozen=True, slots=True)
class ToolStatus:
    """A tool as lists show it. `reason` says why it is not available; None when it is.

    `config_schema` is the JSON schema of the `config` it takes.
    """

    type: str
    name: str
    description: str
    available: bool
    reason: str | None
    multi_use: bool
    config_schema: dict[str, Any]


def available_tools() -> list[ToolStatus]:
    """Every tool of the catalogue, in its order, with the reason where one cannot run here."""
    return [
        ToolStatus(
            kind.key,
            kind.name,
            kind.description,
            reason is None,
            reason,
            kind.multi_use,
            kind.config_model.model_json_schema(),
        )
        for kind in KINDS.values()
        for reason in [kind.why_not()]
    ]


def key_of(name: str) -> str | None:
    """The type key of the tool that `name` (a type key or a display name, in any case) means; None if unknown."""
    wanted = name.strip().lower()
    for kind in KINDS.values():
        if wanted in (kind.key.lower(), kind.name.lower()):
            return kind.key
    return EARLIER_NAMES.get(wanted)
