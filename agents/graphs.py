"""An assistant's config as a graph that can run: the door to this app.

Importing this is quick. LangChain comes in with the first graph, or with `warm_up`.
"""

import asyncio
import logging
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from agents.config import AgentConfig
from agents.errors import ModelUnavailable
from agents.language_models.model_entry import ModelEntry

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from agents.tools.toolset import Toolset

logger = logging.getLogger(__name__)

_GRAPHS_KEPT = 256
# Seconds that graphs and tools are kept for, at most.
KEPT_FOR = 600.0
_expires_at = monotonic() + KEPT_FOR


async def open_graph(config: AgentConfig, entry: ModelEntry) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """The compiled graph for `config` with the model `entry` (see `catalogue.resolve`), its tools ready to act.

    The same object each time while it is among the last used. It has no checkpointer: run
    `graph.copy(update={"checkpointer": saver})`, which is cheap.
    """
    toolset = await _toolsets().open_tools(config.tools if entry.can_use_tools else ())
    # In a thread: a graph takes milliseconds to build, and a provider's package a second or more to import.
    return await asyncio.to_thread(_compiled, config, entry, toolset)


def graph_for(config: AgentConfig, entry: ModelEntry) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """The graph for a config without tools, with the model `entry`. Any thread may call this."""
    return _compiled(config, entry, _toolsets().NO_TOOLS)


def draw_graph(config: AgentConfig, entry: ModelEntry) -> dict[str, Any]:
    """What the graph for `config` looks like: `{"nodes": […], "edges": […]}`. Any thread may call this."""
    return _outlines().outline(_architectures()[config.type], config, entry)


def warm_up(entry: ModelEntry | None) -> None:
    """Imports LangChain and builds the default assistant's graph, so that the first run need not wait for it.

    `entry` is the default model, None where there is none. Takes seconds: call it in a thread when the server has
    started.
    """
    # What runs import is worth having, model or not.
    _architectures()
    if entry is not None:
        try:
            graph_for(AgentConfig(), entry)
        except ModelUnavailable as exc:
            logger.warning("%s Until then, runs that name no model fail.", exc.message)


def expire() -> None:
    """To be called now and then: forgets what was built KEPT_FOR seconds ago, whoever may have deleted its assistant.

    It costs milliseconds to build a graph again. Models stay: they are the server's, and no user's.
    """
    global _expires_at
    if monotonic() >= _expires_at:
        _expires_at = monotonic() + KEPT_FOR
        if _compiled.cache_info().currsize:  # or LangChain would be imported for nothing
            _compiled.cache_clear()
            _toolsets().clear_cache()


def clear_cache() -> None:
    """Forgets every graph, model and tool that was built: settings have changed."""
    _compiled.cache_clear()
    _chat_models().clear_cache()
    _toolsets().clear_cache()


async def aclose() -> None:
    """`clear_cache`, and closes connections to models and tools: for the end of a server, or of its event loop."""
    _compiled.cache_clear()
    await _chat_models().aclose()
    await _toolsets().aclose()


@lru_cache(maxsize=_GRAPHS_KEPT)
def _compiled(config: AgentConfig, entry: ModelEntry, toolset: "Toolset") -> "CompiledStateGraph[Any, Any, Any, Any]":
    build = _architectures()[config.type]
    return build(config, _chat_models().build_model(entry), entry, toolset)


# The one seam where LangChain is imported late: it takes seconds, which no management command should wait for.


def _architectures() -> dict[str, Any]:
    from agents.architectures import agent, chat_retrieval, chatbot

    return {"agent": agent.build, "chatbot": chatbot.build, "chat_retrieval": chat_retrieval.build}


def _outlines() -> Any:
    from agents.architectures import outline

    return outline


def _chat_models() -> Any:
    from agents.language_models import chat_models

    return chat_models


def _toolsets() -> Any:
    from agents.tools import toolset

    return toolset
