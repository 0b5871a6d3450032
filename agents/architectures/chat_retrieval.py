"""chat_retrieval (RAGBot): think of a query, search with it, answer from what was found.

Nodes: `invoke_retrieval` adds a tool call, `retrieve` its result (the documents), `response` the answer.
"""

from typing import Any
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.config import AgentConfig
from agents.context_window import estimated_tokens, newest_that_fit
from agents.conversation import Conversation, new_id, readable, spoken, with_prompt
from agents.earlier import is_cut_off, need_all
from agents.language_models.model_entry import ModelEntry
from agents.retrieval import Retriever, RunContext, passages
from agents.tools.toolset import NO_TOOLS, Toolset

TOOL_NAME = "retrieval"
# Documents take at most this part of the context window; the conversation and the answer have the rest.
DOCUMENTS_SHARE = 0.5

QUERY_PROMPT = """\
Read the conversation and write the search query that finds what is needed to answer its last message.
The query may be a few words or a question, and must make sense without the conversation.
Reply with the query alone.

{conversation}"""

ANSWER_PROMPT = """\
{instructions}

Answer from the documents below and from nothing else. If they do not hold the answer, say so. \
Name the source of what you say, as it stands before each document.

{documents}"""

NOTHING_FOUND_PROMPT = """\
{instructions}

No documents were found for this message. Talk with the user as usual. \
If they ask about documents or files, say that nothing was found."""


def build(
    config: AgentConfig, model: BaseChatModel, entry: ModelEntry, toolset: Toolset = NO_TOOLS
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph, without a checkpointer. It searches with the retriever of the run's `RunContext`."""
    # The user sees the query in the tool call; its tokens are no part of the answer.
    hidden = model.with_config(tags=[TAG_NOSTREAM])

    async def invoke_retrieval(state: Conversation, runtime: Runtime[RunContext]) -> dict[str, Any]:
        said = spoken(state["messages"])
        # A model that cannot use tools answers when it is asked for a query: it searches better with what was said.
        if _is_first_turn(said) or not entry.can_use_tools or await _retriever(runtime).is_empty():
            query = _last_question(said)
        else:
            reply = await hidden.ainvoke(_query_request(said, entry))
            query = reply.text.strip() or _last_question(said)
        call = {"name": TOOL_NAME, "args": {"query": query}, "id": uuid4().hex}
        return {"messages": [AIMessage(content="", id=new_id(), tool_calls=[call])]}

    async def retrieve(state: Conversation, runtime: Runtime[RunContext]) -> dict[str, Any]:
        message = state["messages"][-1]
        assert isinstance(message, AIMessage)
        call = message.tool_calls[0]
        found = await _retriever(runtime)(call["args"]["query"])
        content: list[str | dict[Any, Any]] = [document.model_dump(mode="json") for document in found]
        return {"messages": [ToolMessage(content, id=new_id(), name=TOOL_NAME, tool_call_id=call["id"])]}

    async def response(state: Conversation) -> dict[str, Any]:
        found = [Document(**item) for item in state["messages"][-1].content if isinstance(item, dict)]
        system = answer_prompt(config.system_message, found, entry)
        said = newest_that_fit(readable(spoken(state["messages"]), entry), entry, system=system)
        return {"messages": [await model.ainvoke(with_prompt(system, said))]}

    graph = StateGraph(Conversation, context_schema=RunContext)
    graph.add_node("invoke_retrieval", invoke_retrieval)
    graph.add_node("retrieve", retrieve)
    graph.add_node("response", response)
    graph.add_edge(START, "invoke_retrieval")
    graph.add_edge("invoke_retrieval", "retrieve")
    graph.add_edge("retrieve", "response")
    graph.add_edge("response", END)
    return graph.compile()


def answer_prompt(instructions: str, found: list[Document], entry: ModelEntry) -> str:
    """The system message of the answer: the assistant's own, and as many of the documents as there is room for."""
    if not found:
        return NOTHING_FOUND_PROMPT.format(instructions=instructions).strip()
    # A model that cannot use tools is a small one: beside the best passage the others only confuse it.
    texts = passages(found if entry.can_use_tools else found[:1])
    if entry.context_window is not None:
        room = entry.context_window * DOCUMENTS_SHARE
        kept: list[str] = []
        for text in texts:
            room -= estimated_tokens(text)
            if room < 0 and kept:
                break
            kept.append(text)
        texts = kept
    return ANSWER_PROMPT.format(instructions=instructions, documents="\n\n".join(texts)).strip()


def _retriever(runtime: Runtime[RunContext]) -> Retriever:
    return (runtime.context or RunContext()).retriever


def _is_first_turn(said: list[BaseMessage]) -> bool:
    if len(said) - is_cut_off(said) > 1:
        return False
    need_all(said)
    return True


def _last_question(said: list[BaseMessage]) -> str:
    for message in reversed(said):
        if isinstance(message, HumanMessage):
            return message.text
    need_all(said)
    return ""


def _query_request(said: list[BaseMessage], entry: ModelEntry) -> list[BaseMessage]:
    recent = newest_that_fit(said, entry, system=QUERY_PROMPT)
    names = {"human": "Human", "ai": "AI", "system": "System"}
    conversation = "\n".join(f"{names[message.type]}: {message.text}" for message in recent)
    return [HumanMessage(content=QUERY_PROMPT.format(conversation=conversation))]
