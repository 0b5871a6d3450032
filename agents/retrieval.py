"""How a run hands its knowledge to a graph: the retriever protocol, and the context that carries it."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from langchain_core.documents import Document


class Retriever(Protocol):
    """Searches the documents that a run may read."""

    def is_empty(self) -> Awaitable[bool]:
        """Whether there is nothing to search, so that no query need be thought of."""
        ...

    def __call__(self, query: str) -> "Awaitable[list[Document]]":
        """The documents that fit `query`, the best first."""
        ...


class NothingIngested:
    """The retriever of a run that has no documents."""

    async def is_empty(self) -> bool:
        return True

    async def __call__(self, query: str) -> "list[Document]":
        return []


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run hands to its graph, as `graph.astream(…, context=RunContext(…))`. It is never stored."""

    retriever: Retriever = field(default_factory=NothingIngested)
