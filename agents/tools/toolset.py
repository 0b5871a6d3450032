"""The tools of one run, built from what its assistant's config names, and kept for the next."""

import asyncio
import importlib
import json
import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from time import monotonic

from langchain_core.tools import BaseTool

from agents.errors import ToolUnavailable
from agents.tools import http
from agents.tools.catalogue import KINDS
from agents.tools.kinds import ToolKind
from agents.tools.naming import distinct_names
from agents.tools.own_tools import as_tools
from agents.tools.specs import ToolSpec

logger = logging.getLogger(__name__)

OPEN_TIMEOUT = 20.0  # seconds to build the tools of one spec
FAILURE_LASTS = 10.0  # seconds until a spec that failed is tried again
MAX_TOOLS = 128  # of one run: OpenAI refuses a request with more
_SPECS_KEPT = 512
_TOOLSETS_KEPT = 256


@dataclass(frozen=True, eq=False, slots=True)
class Toolset:
    """Tools that can act, and a sentence for each configured one that cannot now. Graphs are cached by its identity."""

    tools: tuple[BaseTool, ...] = ()
    problems: tuple[str, ...] = ()


NO_TOOLS = Toolset()


@dataclass(frozen=True, eq=False, slots=True)
class _Built:
    """What a spec came to. `until` is a time of `monotonic`, None for ever."""

    tools: tuple[BaseTool, ...]
    problem: str | None
    until: float | None

    def is_fresh(self) -> bool:
        return self.until is None or monotonic() < self.until


async def open_tools(specs: tuple[ToolSpec, ...]) -> Toolset:
    """The tools that `specs` name. One that cannot act becomes a problem, and the others are there without it.

    The same specs give the same object, until a tool is built anew or has become available or unavailable.
    """
    return _assemble(tuple(await asyncio.gather(*(_open(spec) for spec in specs)))) if specs else NO_TOOLS


def clear_cache() -> None:
    """Forgets every tool that was built: settings have changed."""
    with _lock:
        _kept.clear()
    _assemble.cache_clear()


async def aclose() -> None:
    """`clear_cache`, and closes the running event loop's connections to the services behind tools."""
    clear_cache()
    await http.aclose()


@lru_cache(maxsize=_TOOLSETS_KEPT)
def _assemble(parts: "tuple[_Built | str, ...]") -> Toolset:
    tools = [tool for part in parts if isinstance(part, _Built) for tool in part.tools]
    problems = dict.fromkeys(part for part in parts if isinstance(part, str))
    if len(tools) > MAX_TOOLS:
        problems[f"These are {len(tools)} tools, and a model takes {MAX_TOOLS}: the others are left out."] = None
    return Toolset(distinct_names(tools[:MAX_TOOLS]), tuple(problems))


_kept: OrderedDict[ToolSpec, _Built] = OrderedDict()  # the last used at the end
_building: dict[tuple[asyncio.AbstractEventLoop, ToolSpec], asyncio.Task[_Built]] = {}
_lock = Lock()  # event loops run in threads


async def _open(spec: ToolSpec) -> _Built | str:
    """What `spec` comes to, or the sentence that says why it comes to nothing."""
    kind = KINDS.get(spec.type)
    if kind is None:
        return f"This server has no tool {spec.type} any more."
    if spec.problem:
        return spec.problem
    if reason := kind.why_not():
        return reason
    built = _fresh(spec)
    if built is None:
        built = await asyncio.shield(_build_once(spec, kind))
    return built.problem or built


def _fresh(spec: ToolSpec) -> _Built | None:
    with _lock:
        built = _kept.get(spec)
        if built is None or not built.is_fresh():
            return None
        _kept.move_to_end(spec)
        return built


def _build_once(spec: ToolSpec, kind: ToolKind) -> "asyncio.Task[_Built]":
    """The task that builds `spec`: one for all who ask in this loop at the same time, which outlives any of them."""
    key = (asyncio.get_running_loop(), spec)
    if key not in _building:
        task = asyncio.create_task(_build(spec, kind))
        _building[key] = task
        task.add_done_callback(lambda _: _building.pop(key, None))
    return _building[key]


async def _build(spec: ToolSpec, kind: ToolKind) -> _Built:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            tools = tuple(await _make(spec, kind))
        built = _Built(tools, None, None if kind.lasts is None else monotonic() + kind.lasts)
    except ToolUnavailable as exc:
        built = _failed(exc.message if kind.name in exc.message else f"{kind.name}: {exc.message}")
    except TimeoutError:
        built = _failed(f"{kind.name} could not be opened within {OPEN_TIMEOUT:g} seconds.")
    except Exception:
        logger.exception("tool %s could not be built", spec.type)
        built = _failed(f"{kind.name} could not be opened.")
    with _lock:
        _kept[spec] = built
        while len(_kept) > _SPECS_KEPT:
            _kept.popitem(last=False)
    return built


def _failed(problem: str) -> _Built:
    return _Built((), problem, monotonic() + FAILURE_LASTS)


async def _make(spec: ToolSpec, kind: ToolKind) -> list[BaseTool]:
    module, _, name = kind.factory.partition(":")
    # In a thread: an import may take seconds.
    found = getattr(await asyncio.to_thread(importlib.import_module, module), name)
    if kind.own:
        return as_tools(found, kind)
    made: list[BaseTool] = await found(kind.config_model.model_validate(json.loads(spec.config)))
    return made
