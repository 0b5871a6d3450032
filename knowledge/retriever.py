"""What a run searches: see `agents.retrieval.Retriever`. Importing this imports LangChain."""

from typing import Any

from langchain_core.documents import Document as FoundDocument

from knowledge.models import Chunk
from knowledge.search import Scope, search
from opengpts.db import in_database_thread


class DocumentRetriever:
    """Searches the documents of an assistant and of a thread, those that are ready when it is asked."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def is_empty(self) -> bool:
        return await in_database_thread(self._scope.is_empty)

    async def __call__(self, query: str) -> list[FoundDocument]:
        return [_as_found(chunk) for chunk in await search(scope=self._scope, question=query)]


def _as_found(chunk: Chunk) -> FoundDocument:
    """A chunk as the original's clients know it (`source`, `namespace`), and where it comes from."""
    metadata: dict[str, Any] = {
        "source": chunk.document.name,
        "namespace": str(chunk.document.namespace),
        "document_id": str(chunk.document_id),
        "chunk_id": str(chunk.uuid),
    }
    if chunk.page is not None:
        metadata["page"] = chunk.page
    if chunk.section:
        metadata["section"] = chunk.section
    return FoundDocument(page_content=chunk.text, metadata=metadata)
