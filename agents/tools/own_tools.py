"""Makes tools of what the setting TOOLS names. Importing this imports LangChain."""

from inspect import iscoroutinefunction
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from agents.errors import ToolUnavailable
from agents.tools.kinds import ToolKind


def as_tools(found: Any, kind: ToolKind) -> list[BaseTool]:
    """What the path of an own `kind` leads to, as tools. Functions that are not async run in threads.

    Raises `ToolUnavailable` for what is no tool, and for one that has another name than its path.
    """
    path = kind.factory.replace(":", ".")
    if isinstance(found, BaseTool):
        if found.name != kind.key:
            raise ToolUnavailable(f"{path} is named {found.name!r}, and the last part of its path should be the same.")
        return [found]
    if isinstance(found, list | tuple):
        if not found or not all(isinstance(item, BaseTool) for item in found):
            raise ToolUnavailable(f"{path} should be a list of LangChain tools and holds something else, or nothing.")
        return list(found)
    if not callable(found) or isinstance(found, type):
        raise ToolUnavailable(f"{path} is neither a tool, nor a list of tools, nor a function.")
    if not (found.__doc__ or "").strip():
        raise ToolUnavailable(f"{path} has no docstring, which would tell the model what it is for.")
    if iscoroutinefunction(found):
        return [StructuredTool.from_function(coroutine=found, name=kind.key)]
    return [StructuredTool.from_function(func=found, name=kind.key)]
