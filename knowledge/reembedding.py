"""New vectors for documents whose vectors are of another model than `EMBEDDINGS` names today."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from knowledge.embedding_model import embedding_model
from knowledge.embeddings import open_embedder, same_dimension
from knowledge.ingestion import BATCH, with_heading
from knowledge.models import Chunk, Document, DocumentStatus, Embedding
from knowledge.queue import new_vector_set, store_vectors
from opengpts.db import in_database_thread

if TYPE_CHECKING:
    from knowledge.static_vectors import Vector


async def reembed(document: Document) -> AsyncIterator[int]:
    """Make the vectors of a document anew, yielding how many of its chunks have theirs.

    They count all at once, at the end; until then the old ones stay, which a search leaves aside. Where it is given up
    before, nothing has changed. One that is deleted meanwhile is left alone. Raises as `Embedder.embed_passages`.
    """
    model, embedder = embedding_model(), open_embedder()
    vector_set, dimension, done, whole = new_vector_set(), 0, 0, False
    try:
        while chunks := await in_database_thread(_next_chunks, document, done):
            vectors = await embedder.embed_passages([with_heading(text, section) for _, text, section in chunks])
            dimension = same_dimension(vectors, dimension)
            if not await in_database_thread(_store, [chunk_id for chunk_id, *_ in chunks], vectors, vector_set):
                return
            done += len(chunks)
            yield done
        whole = await in_database_thread(_replace, document, vector_set, model, dimension)
    finally:
        if not whole:
            await in_database_thread(_discard, vector_set)


def _next_chunks(document: Document, first: int) -> list[tuple[int, str, str]]:
    rows = Chunk.objects.filter(document=document, position__gte=first, position__lt=first + BATCH)
    return list(rows.order_by("position").values_list("pk", "text", "section"))


def _store(chunk_ids: list[int], vectors: "Vector", vector_set: int) -> bool:
    """False where the chunks are gone."""
    try:
        with transaction.atomic():
            store_vectors(chunk_ids=chunk_ids, vectors=vectors, vector_set=vector_set)
    except IntegrityError:
        return False
    return True


def _replace(document: Document, vector_set: int, model: str, dimension: int) -> bool:
    """Have the new vectors count. False where the document is gone, or another was quicker."""
    with transaction.atomic():
        unchanged = Document.objects.filter(pk=document.pk, status=DocumentStatus.READY, vector_set=document.vector_set)
        if not unchanged.update(vector_set=vector_set, embedding_model=model, embedding_dimension=dimension):
            return False
        # Those of earlier tries that were killed, too.
        Embedding.objects.filter(chunk__document=document).exclude(vector_set=vector_set).delete()
    return True


def _discard(vector_set: int) -> None:
    Embedding.objects.filter(vector_set=vector_set).delete()
