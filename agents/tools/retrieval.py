"""The retrieval tool: searches the files of the assistant and of the thread."""

from collections.abc import Iterable
from typing import Any

from langchain.tools import ToolRuntime, tool
from langchain_core.documents import Document
from langchain_core.tools import BaseTool

from agents.retrieval import RunContext, passages
from agents.tools.kinds import NoConfig


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [retrieval]


def described(tools: Iterable[BaseTool], description: str) -> list[BaseTool]:
    """`tools`, the retrieval tool among them told to models by `description`: each assistant has its own."""
    return [one.model_copy(update={"description": description}) if one is retrieval else one for one in tools]


@tool(response_format="content_and_artifact")
async def retrieval(query: str, runtime: ToolRuntime[Any, Any]) -> tuple[str, list[Document]]:
    """Look up information in uploaded files."""
    # Its type is not in the signature: of that pydantic makes the tool's arguments, and it knows no protocols.
    context: RunContext = runtime.context or RunContext()
    found = await context.retriever(query)
    return "\n\n".join(passages(found)) or "Nothing was found.", found
