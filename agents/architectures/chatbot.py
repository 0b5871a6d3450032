"""chatbot: the system message and the thread, to the model. One node, `chatbot`."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.config import AgentConfig
from agents.conversation import Conversation, history, with_prompt
from agents.language_models.model_entry import ModelEntry
from agents.retrieval import RunContext
from agents.tools.toolset import NO_TOOLS, Toolset


def build(
    config: AgentConfig, model: BaseChatModel, entry: ModelEntry, toolset: Toolset = NO_TOOLS
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph, without a checkpointer."""

    async def chatbot(state: Conversation) -> dict[str, Any]:
        said = history(state["messages"], entry, system=config.system_message)
        return {"messages": [await model.ainvoke(with_prompt(config.system_message, said))]}

    graph = StateGraph(Conversation, context_schema=RunContext)
    graph.add_node("chatbot", chatbot)
    graph.add_edge(START, "chatbot")
    graph.add_edge("chatbot", END)
    return graph.compile()
