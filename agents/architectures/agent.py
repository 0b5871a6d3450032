"""agent: a model that may use tools, as langchain's `create_agent` builds it. Its model node is `model`.

No tool acts yet. Where some are configured the run answers without them, and a notice says why.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.catalogue import ModelEntry
from agents.config import AgentConfig
from agents.conversation import has_notice, history, notice
from agents.retrieval import RunContext
from agents.tool_names import display_name

TOOLS_UNSUPPORTED = "tools_unsupported"


def build(config: AgentConfig, model: BaseChatModel, entry: ModelEntry) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph, without a checkpointer."""
    middleware: list[AgentMiddleware[Any, Any]] = [SendableHistory(entry, config.system_message)]
    if config.tools:
        middleware.append(ToolsNotice(tools_notice(entry, config.tools)))
    return create_agent(
        model,
        tools=[],
        system_prompt=config.system_message or None,
        middleware=middleware,
        context_schema=RunContext,
    )


def tools_notice(entry: ModelEntry, tools: tuple[str, ...]) -> str:
    """Why the configured tools did not act, in a sentence for the user."""
    names = [display_name(key) for key in tools]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    why = "This version does not run tools yet" if entry.can_use_tools else f"{entry.label} cannot use tools"
    return f"{why}, so {listed} {'was' if len(names) == 1 else 'were'} not used."


class SendableHistory(AgentMiddleware[Any, Any]):
    """Sends the model what `history` lets through, and leaves the thread's messages as they are."""

    def __init__(self, entry: ModelEntry, system: str) -> None:
        super().__init__()
        self._entry = entry
        self._system = system

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        return await handler(
            request.override(messages=history(request.messages, self._entry, system=self._system))  # type: ignore[arg-type]
        )


class ToolsNotice(AgentMiddleware[Any, Any]):
    """Tells the user once in a thread, before the answer, that the configured tools do not act."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    async def abefore_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        if has_notice(state["messages"], TOOLS_UNSUPPORTED):
            return None
        return {"messages": [notice(TOOLS_UNSUPPORTED, self._text)]}
