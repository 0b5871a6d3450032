"""What a graph looks like: its nodes and edges, with no model and no tools behind them."""

from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.tools import StructuredTool

from agents.config import AgentConfig
from agents.language_models.model_entry import ModelEntry
from agents.tools.toolset import Toolset


class _Nobody(BaseChatModel):
    """Stands where the model is."""

    @property
    def _llm_type(self) -> str:
        return "outline"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise RuntimeError("The outline of a graph cannot be run.")


def outline(build: Callable[..., Any], config: AgentConfig, entry: ModelEntry) -> dict[str, Any]:
    """The graph that `build` makes, as LangGraph writes graphs down in JSON: `{"nodes": […], "edges": […]}`.

    Nothing is connected to. Tools that would turn out not to act are taken as acting.
    """
    specs = config.tools if entry.can_use_tools else ()
    tools = tuple(
        StructuredTool.from_function(_nothing, name=f"{spec.type}_{number}", description=spec.type)
        for number, spec in enumerate(specs)
    )
    drawn: dict[str, Any] = build(config, _Nobody(), entry, Toolset(tools)).get_graph().to_json()
    # What is noted beside a node are the names of its tools, and these are none.
    nodes = [{key: value for key, value in node.items() if key != "metadata"} for node in drawn["nodes"]]
    return {**drawn, "nodes": nodes}


def _nothing() -> None:
    raise RuntimeError("The outline of a graph cannot be run.")
