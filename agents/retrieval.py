"""What a run hands to a graph beside messages: its retriever, where images are kept, and the context with both."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agents.tools.images import store_image

if TYPE_CHECKING:
    from langchain_core.documents import Document


class Retriever(Protocol):
    """Searches the documents that a run may read.

    A document's metadata has `source` (the file's name) and, where they are known, `page` (from 1) or `section`.
    """

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
    # Stores an image, so that it goes with the run's thread (see `agents.tools.images.keep_image`); blocks.
    store_image: Callable[[str, bytes], None] = store_image


def source_of(metadata: Mapping[str, Any]) -> str:
    """Where a passage stands, as people name it: "report.pdf, page 3". Empty where nothing is known."""
    place = f"page {metadata['page']}" if metadata.get("page") is not None else metadata.get("section")
    return ", ".join(str(part) for part in (metadata.get("source"), place) if part)


def passages(documents: "Iterable[Document]") -> list[str]:
    """Each document's text behind its number and its source, as a model is shown it."""
    return [
        f"[{number}]{f' Source: {source}' if (source := source_of(document.metadata)) else ''}\n{document.page_content}"
        for number, document in enumerate(documents, start=1)
    ]
