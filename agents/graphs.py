"""An assistant's config as a graph that can run: the door to this app.

Importing this is quick. LangChain comes in with the first graph, or with `warm_up`.
"""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agents.catalogue import ModelEntry, resolve
from agents.config import AgentConfig
from agents.errors import ModelUnavailable

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

logger = logging.getLogger(__name__)

_GRAPHS_KEPT = 256


def graph_for(config: AgentConfig) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """The compiled graph for `config`, the same object each time while it is among the last used.

    It has no checkpointer: run `graph.copy(update={"checkpointer": saver})`, which is cheap. Any
    thread may call this. Raises `ModelUnavailable` when the model cannot run here.
    """
    return _compiled(config, resolve(config.model))


def warm_up() -> None:
    """Imports LangChain and builds the default assistant's graph, so that the first run need not wait for it.

    Takes seconds: call it in a thread when the server has started.
    """
    try:
        graph_for(AgentConfig())
    except ModelUnavailable as exc:
        logger.warning("%s Until then, runs that name no model fail.", exc.message)
        # What runs import is still worth having.
        _architectures()


def clear_cache() -> None:
    """Forgets every graph and model that was built: settings have changed."""
    _compiled.cache_clear()
    _chat_models().clear_cache()


async def aclose() -> None:
    """`clear_cache`, with the connections to models closed first: for the end of a server, or of its event loop."""
    _compiled.cache_clear()
    await _chat_models().aclose()


@lru_cache(maxsize=_GRAPHS_KEPT)
def _compiled(config: AgentConfig, entry: ModelEntry) -> "CompiledStateGraph[Any, Any, Any, Any]":
    build = _architectures()[config.type]
    return build(config, _chat_models().build_model(entry.label), entry)


# The one seam where LangChain is imported late: it takes seconds, which no management command should wait for.


def _architectures() -> dict[str, Any]:
    from agents.architectures import agent, chat_retrieval, chatbot

    return {"agent": agent.build, "chatbot": chatbot.build, "chat_retrieval": chat_retrieval.build}


def _chat_models() -> Any:
    from agents import chat_models

    return chat_models
