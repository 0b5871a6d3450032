"""Searching documents: by their words and by their vectors, with one ranking made of both."""

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.embedding_model import embedding_model
from knowledge.embeddings import open_embedder
from knowledge.models import Chunk, Document
from knowledge.nearest import find_nearest
from knowledge.static_vectors import Vector
from knowledge.words import find_by_words
from opengpts.db import in_database_thread
from opengpts.errors import OpenGPTsError

logger = logging.getLogger(__name__)

# Seconds that the vector of a question may take. A provider that hangs shall not keep an answer waiting for minutes,
# which the words of the question can find.
QUESTION_TIMEOUT = 10.0
# As many as the original answers with.
RESULTS = 4
# Characters of a question that count. Pages of text may be sent as one, and cost seconds to make a vector of.
MAX_QUESTION = 2000
# How many of each ranking count. Further down there is little but chance.
DEPTH = 50
# Reciprocal rank fusion: each ranking gives a chunk 1 / (60 + its rank), so that to stand high in one of them counts
# for less than to stand well in both. 60 is the number of the method's authors.
_RRF = 60


@dataclass(frozen=True, slots=True)
class Scope:
    """What is searched: the documents of an assistant and those of a thread."""

    assistant_id: uuid.UUID | None = None
    thread_id: uuid.UUID | None = None

    def is_empty(self) -> bool:
        """Whether there is no document that is ready."""
        return not Document.objects.known_to(assistant_id=self.assistant_id, thread_id=self.thread_id).exists()


async def search(*, scope: Scope, question: str, limit: int = RESULTS) -> list[Chunk]:
    """The chunks, with their documents, that fit `question`; the best first.

    Where the question cannot be made a vector, words alone decide, and the log says why.
    """
    question = question[:MAX_QUESTION]
    vector = await question_vector(question)
    return await in_database_thread(find_chunks, scope=scope, question=question, vector=vector, limit=limit)


async def question_vector(question: str) -> Vector | None:
    """The vector of a question; None where there is no model for it, or it fails or takes too long."""
    if not embedding_model() or not question.strip():
        return None
    try:
        embedder = await asyncio.to_thread(open_embedder)
        async with asyncio.timeout(QUESTION_TIMEOUT):
            return await embedder.embed_query(question)
    except OpenGPTsError as exc:
        why = exc.message
    except TimeoutError:
        why = f"{embedding_model()} took more than {QUESTION_TIMEOUT:g} s for the vector of a question."
    logger.warning("documents are searched by words alone: %s", why)
    return None


def find_chunks(*, scope: Scope, question: str, vector: Vector | None, limit: int = RESULTS) -> list[Chunk]:
    """As `search`, with the question's vector given. Vectors of another model than today's are left aside."""
    documents = list(
        Document.objects.known_to(assistant_id=scope.assistant_id, thread_id=scope.thread_id)
        .order_by()
        .values_list("pk", "vector_set", "embedding_model", "embedding_dimension")
    )
    if not documents:
        return []
    rankings = [find_by_words(question=question, document_ids=[pk for pk, *_ in documents], limit=DEPTH)]
    if vector is not None:
        current = (embedding_model(), len(vector))
        sets = [vector_set for _, vector_set, *made_by in documents if vector_set and tuple(made_by) == current]
        rankings.append(find_nearest(vector=vector, vector_sets=sets, limit=DEPTH))
    best = fuse(rankings)[:limit]
    found = Chunk.objects.select_related("document").in_bulk(best)
    return [found[chunk_id] for chunk_id in best if chunk_id in found]


def fuse(rankings: Sequence[Sequence[int]]) -> list[int]:
    """One ranking of all that stand in these, by reciprocal rank fusion."""
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, chunk_id in enumerate(ranking, start=1):
            scores[chunk_id] += 1 / (_RRF + rank)
    return sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
