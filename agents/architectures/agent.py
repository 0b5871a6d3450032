"""agent: a model that may use tools, as langchain's `create_agent` builds it. Its model node is `model`.

Tool calls of one answer are run side by side. What cannot act is told the user in a notice.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.architectures.tool_calls import guards
from agents.config import AgentConfig
from agents.context_window import estimated_tokens
from agents.conversation import history, notice, told
from agents.language_models.model_entry import ModelEntry
from agents.retrieval import RunContext
from agents.tools.catalogue import KINDS
from agents.tools.retrieval import described
from agents.tools.specs import ToolSpec
from agents.tools.toolset import NO_TOOLS, Toolset

# Kinds of notices: the model cannot use tools; some of the tools cannot act.
TOOLS_UNSUPPORTED = "tools_unsupported"
TOOLS_UNAVAILABLE = "tools_unavailable"


def build(
    config: AgentConfig, model: BaseChatModel, entry: ModelEntry, toolset: Toolset = NO_TOOLS
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph, without a checkpointer."""
    tools = described(toolset.tools, config.retrieval_description)
    middleware: list[AgentMiddleware[Any, Any]] = [SendableHistory(entry, config.system_message, tools)]
    if config.tools and not entry.can_use_tools:
        middleware.append(ToolsNotice(TOOLS_UNSUPPORTED, tools_notice(entry, config.tools)))
    elif toolset.problems:
        middleware.append(ToolsNotice(TOOLS_UNAVAILABLE, "\n".join(toolset.problems)))
    if tools:
        middleware += guards(confirm=config.interrupt_before_action)
    return create_agent(
        model,
        tools=tools,
        system_prompt=config.system_message or None,
        middleware=middleware,
        context_schema=RunContext,
    )


def tools_notice(entry: ModelEntry, tools: tuple[ToolSpec, ...]) -> str:
    """Why the configured tools did not act, in a sentence for the user."""
    names = [kind.name if (kind := KINDS.get(spec.type)) else spec.type for spec in tools]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{entry.label} cannot use tools, so {listed} {'was' if len(names) == 1 else 'were'} not used."


class SendableHistory(AgentMiddleware[Any, Any]):
    """Sends the model what `history` lets through, and leaves the thread's messages as they are.

    Not langchain's `ContextEditingMiddleware` or `SummarizationMiddleware`: the first does not promise that what is
    left fits, the second takes messages out of the thread.
    """

    def __init__(self, entry: ModelEntry, system: str, tools: list[BaseTool]) -> None:
        super().__init__()
        self._entry = entry
        self._system = system
        # The descriptions of the tools go along with each request.
        self._reserved = estimated_tokens(json.dumps([convert_to_openai_tool(tool) for tool in tools])) if tools else 0

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        sendable = history(request.messages, self._entry, system=self._system, reserved=self._reserved)
        return await handler(request.override(messages=sendable))  # type: ignore[arg-type]


class ToolsNotice(AgentMiddleware[Any, Any]):
    """Tells the user, before the answer, which tools do not act; again only when there is something else to tell."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__()
        self._kind = kind
        self._text = text

    async def abefore_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        if told(state["messages"], self._kind) == self._text:
            return None
        return {"messages": [notice(self._kind, self._text)]}
