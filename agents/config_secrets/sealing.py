"""Takes the secrets out of a config that is to be stored, and puts them back for a run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.views.decorators.debug import sensitive_variables

from agents.config import ConfigProblem, configurable_of
from agents.config_secrets.counterparts import NoCounterpart, counterparts
from agents.config_secrets.masks import MASK, has_masks, unmasked_url
from agents.config_secrets.paths import Path, replaced, value_at
from agents.config_secrets.places import find_places, is_tool_list
from agents.tools.specs import Unreadable
from opengpts.encryption import Undecryptable, decrypt, encrypt

_UNREADABLE = "The stored address cannot be read any more. Enter all of it anew."


@dataclass(frozen=True, slots=True)
class Sealed:
    """A config as it is stored: `***` in place of its secrets, which are in `secrets`, encrypted for one owner.

    `secrets` are `{"at": path, "token": text}`.
    """

    config: Any
    secrets: list[dict[str, Any]] = field(default_factory=list)

    def tokens(self) -> dict[Path, str]:
        """The secrets by their paths."""
        return {tuple(secret["at"]): secret["token"] for secret in self.secrets}


class NothingToKeep(Exception):
    """A config has `***` where nothing is stored that it could stand for. `problems` say where, and why."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__(f"nothing is stored for {len(problems)} masked secrets")
        self.problems = problems


@sensitive_variables()
def seal(config: Any, *, owner: int, stored: Sequence[Sealed] = ()) -> Sealed:
    """`config`, which a client sent, as it is to be stored for the user with the primary key `owner`.

    Where it has `***` for a secret, that of `stored` is kept: of the first of them that has a counterpart. They must be
    the same owner's. What looks encrypted is a text like any other. Raises `NothingToKeep`.
    """
    places = find_places(config)
    kept = _Kept(config, stored, owner) if _mentions_mask(config) else None
    tokens = kept.tokens() if kept else {}
    masks: dict[Path, str] = {}
    problems: list[ConfigProblem] = []
    for path, mask in places.items():
        if path in tokens:
            continue
        inside = [kept_path for kept_path in tokens if kept_path[: len(path)] == path]
        value = value_at(config, path)
        try:
            if value == MASK or inside:
                raise _Lacking(kept.reason(path) if kept else NoCounterpart.NONE_STORED.value)
            if kept and mask != MASK and has_masks(value):
                value = kept.complete(path, value)
        except _Lacking as exc:
            problems.append(ConfigProblem(path, exc.sentence, mask))
            continue
        masks[path] = mask
        tokens[path] = encrypt(value, bound_to=_bound_to(owner))
    if problems:
        raise NothingToKeep(problems)
    secrets = [{"at": list(path), "token": token} for path, token in tokens.items()]
    return Sealed(replaced(config, masks), secrets)


@sensitive_variables()
def seal_plain(config: Any, *, owner: int) -> Sealed:
    """As `seal`, for a config from before there were masks: `***` in it is a text like any other."""
    places = find_places(config)
    secrets = [
        {"at": list(path), "token": encrypt(value_at(config, path), bound_to=_bound_to(owner))} for path in places
    ]
    return Sealed(replaced(config, places), secrets)


@sensitive_variables()
def reveal(sealed: Sealed, *, owner: int) -> Any:
    """The config with its secrets in their places: for a run, and nothing else.

    One that cannot be decrypted is `Unreadable`, which makes its tool one with a problem.
    """
    values: dict[Path, Any] = {}
    for path, token in sealed.tokens().items():
        # Elsewhere there is something else by now, which no service of ours has written.
        if isinstance(value_at(sealed.config, path), str):
            try:
                values[path] = decrypt(token, bound_to=_bound_to(owner))
            except Undecryptable:
                values[path] = Unreadable.SECRET
    return replaced(sealed.config, values)


def masked(config: Any) -> Any:
    """`config` without its secrets, for a message about it."""
    return replaced(config, find_places(config))


def _bound_to(owner: int) -> str:
    return f"user {owner}"


def _mentions_mask(config: Any) -> bool:
    return MASK in json.dumps(config)


class _Lacking(Exception):
    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class _Kept:
    """What a sent config may keep of the stored ones."""

    def __init__(self, config: Any, stored: Sequence[Sealed], owner: int) -> None:
        self._config, self._stored, self._owner = config, stored, owner
        # Of each sent tool that has masks, the stored one: which config's, and its place there.
        self._tools: dict[Path, tuple[Sealed, Path] | NoCounterpart] = dict(self._find_tools())

    def tokens(self) -> dict[Path, str]:
        """The tokens of the places where the config has just what is shown of them."""
        found: dict[Path, str] = {}
        for path, at, sealed, token in self._pairs():
            shown = value_at(sealed.config, at)
            if path not in found and isinstance(shown, str) and value_at(self._config, path) == shown:
                found[path] = token
        return found

    @sensitive_variables()
    def complete(self, path: Path, url: str) -> str:
        """`url`, some parts of which are masked, with those of the stored one. Raises `_Lacking`."""
        for pair, _, _, token in self._pairs():
            if pair == path:
                try:
                    whole = unmasked_url(url, decrypt(token, bound_to=_bound_to(self._owner)))
                except Undecryptable as exc:
                    raise _Lacking(_UNREADABLE) from exc
                if whole is not None:
                    return whole
        raise _Lacking(self.reason(path))

    def reason(self, path: Path) -> str:
        """Why there is nothing to keep at `path`."""
        tool = self._tools.get(path[:3])
        return (tool if isinstance(tool, NoCounterpart) else NoCounterpart.NONE_STORED).value

    def _pairs(self) -> Iterator[tuple[Path, Path, Sealed, str]]:
        """Places of the config, and the stored secrets that they may keep, as place, config and token."""
        of_tools: dict[tuple[int, Path], list[Path]] = {}
        for path, tool in self._tools.items():
            if not isinstance(tool, NoCounterpart):
                sealed, at = tool
                of_tools.setdefault((id(sealed), at), []).append(path)
        for sealed in self._stored:
            for at, token in sealed.tokens().items():
                if is_tool_list(at[:2]):
                    for path in of_tools.get((id(sealed), at[:3]), ()):
                        yield (*path, *at[3:]), at, sealed, token
                else:
                    yield at, at, sealed, token

    def _find_tools(self) -> Iterator[tuple[Path, tuple[Sealed, Path] | NoCounterpart]]:
        for key, tools in configurable_of(self._config).items():
            at: Path = ("configurable", key)
            if not is_tool_list(at) or not isinstance(tools, list):
                continue
            lists = [(sealed, _tools_at(sealed.config, at)) for sealed in self._stored]
            chosen = [(sealed, counterparts(tools, there)) for sealed, there in lists]
            for index, tool in enumerate(tools):
                if not _mentions_mask(tool):
                    continue
                found = [(sealed, of_each[index]) for sealed, of_each in chosen]
                yield (*at, index), _first(found, at)


def _tools_at(config: Any, at: Path) -> list[Any]:
    tools = value_at(config, at)
    return tools if isinstance(tools, list) else []


def _first(found: list[tuple[Sealed, int | NoCounterpart]], at: Path) -> tuple[Sealed, Path] | NoCounterpart:
    reasons: list[NoCounterpart] = []
    for sealed, counterpart in found:
        if isinstance(counterpart, NoCounterpart):
            reasons.append(counterpart)
        else:
            return sealed, (*at, counterpart)
    # The one that says most.
    order = [NoCounterpart.SEVERAL, NoCounterpart.ELSEWHERE, NoCounterpart.NONE_STORED]
    return next((reason for reason in order if reason in reasons), NoCounterpart.NONE_STORED)
