"""The names by which a model calls its tools."""

from collections.abc import Sequence

from langchain_core.tools import BaseTool

from agents.names import fit_name, free_name


def distinct_names(tools: Sequence[BaseTool]) -> tuple[BaseTool, ...]:
    """The tools, each under a name that providers accept and that no other has.

    The first keeps its name; a later one of the same name gets a number. Renamed tools are copies.
    """
    taken: set[str] = set()
    names = [free_name(fit_name(tool.name) or "tool", taken) for tool in tools]
    return tuple(
        tool if name == tool.name else tool.model_copy(update={"name": name})
        for tool, name in zip(tools, names, strict=True)
    )
