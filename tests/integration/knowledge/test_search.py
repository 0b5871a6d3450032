"""What a search finds, whatever people write, and what it must not find."""

import uuid
from typing import Any

import numpy as np
import pytest
from django.db import connection
from pytest_django import Settings

from knowledge import nearest
from knowledge.intake import Namespace, delete_document
from knowledge.models import Chunk, Document, DocumentStatus, Embedding
from knowledge.nearest import find_nearest
from knowledge.queue import new_vector_set, store_vectors
from knowledge.retriever import DocumentRetriever
from knowledge.search import Scope, find_chunks, fuse, search
from knowledge.words import find_by_words
from opengpts.db import in_database_thread
from tests.integration.knowledge.conftest import read_all, store

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "heron.txt": "The heron is a grey bird. Herons wait in shallow water.",
    "otter.txt": "The otter is a mammal. It swims in rivers and opens mussels.",
    "cafe.txt": "Im Café am Fluß gibt es Kuchen, und naïve Gäste zahlen 12,50 €.",
    "code.txt": "Call my_function(x) with C++ and see https://example.org/a?b=c for O'Brien's notes \\ end.",
}


@pytest.fixture
async def library(namespace: Namespace) -> Namespace:
    for name, text in TEXTS.items():
        await in_database_thread(store, namespace, text, name)
    await read_all()
    return namespace


def by_words(question: str) -> list[str]:
    ids = find_by_words(question=question, document_ids=[pk for (pk,) in Document.objects.values_list("pk")], limit=10)
    return [Chunk.objects.get(pk=pk).document.name for pk in ids]


def test_words_are_found_in_any_of_their_forms(library: Namespace) -> None:
    for question, first in {
        "heron": "heron.txt",
        "Where does a HERON waiting stand?": "heron.txt",
        "does it open a mussel": "otter.txt",
        "kuchen im café": "cafe.txt",
        "my_function": "code.txt",
        "O'Brien": "code.txt",
    }.items():
        assert by_words(question)[0] == first, question


# fmt: off
HOSTILE = [
    "", " ", "\x00", "heron\x00", '"', '"heron', "heron AND", "NEAR(heron", "text:heron", "heron*", "-heron", "^heron",
    "a' OR 1=1 --", "\\", "'\\'", "heron:*", "!heron", "(heron", "<->", "& |", "%s %(x)s", "\ud800heron", "日本語",
    "🎉", "word " * 5000, "x" * 100_000, "{text} : heron", "rank MATCH 'x'",
]
# fmt: on


async def test_nothing_in_a_question_is_syntax(library: Namespace) -> None:
    for question in HOSTILE:
        chunks = await search(scope=Scope(assistant_id=library.assistant_id), question=question)
        assert len(chunks) <= 4
        if "heron" in question:
            assert chunks[0].document.name == "heron.txt", question


async def test_a_search_keeps_to_its_namespace(library: Namespace) -> None:
    assert await search(scope=Scope(assistant_id=uuid.uuid4(), thread_id=uuid.uuid4()), question="heron") == []
    assert await search(scope=Scope(thread_id=library.assistant_id), question="heron") == []


def test_what_is_not_ready_is_not_found(library: Namespace) -> None:
    Document.objects.filter(name="heron.txt").update(status=DocumentStatus.PROCESSING)
    scope = Scope(assistant_id=library.assistant_id)
    vector = np.ones(256, dtype=np.float32)
    assert "heron.txt" not in {c.document.name for c in find_chunks(scope=scope, question="heron", vector=vector)}


async def test_the_retriever_gives_documents_with_their_source(library: Namespace) -> None:
    retriever = DocumentRetriever(Scope(assistant_id=library.assistant_id))
    assert not await retriever.is_empty()
    assert await DocumentRetriever(Scope(thread_id=uuid.uuid4())).is_empty()
    await Chunk.objects.filter(document__name="heron.txt").aupdate(page=7, section="Birds")
    found = (await retriever("heron"))[0]
    chunk = await Chunk.objects.select_related("document").aget(document__name="heron.txt")
    assert found.id is None
    assert found.page_content == TEXTS["heron.txt"]
    assert found.metadata == {
        "source": "heron.txt",
        "namespace": str(library.assistant_id),
        "document_id": str(chunk.document_id),
        "chunk_id": str(chunk.uuid),
        "page": 7,
        "section": "Birds",
    }


async def test_a_document_is_gone_from_the_search_when_it_is_deleted(library: Namespace) -> None:
    scope = Scope(assistant_id=library.assistant_id)
    assert (await search(scope=scope, question="heron"))[0].document.name == "heron.txt"
    document = await Document.objects.aget(name="heron.txt")
    await in_database_thread(delete_document, owner=library.owner, document_id=document.pk)
    assert "heron.txt" not in {chunk.document.name for chunk in await search(scope=scope, question="heron")}


def random_sets(library: Namespace, sizes: list[int]) -> tuple[list[int], Any, list[int]]:
    """Sets of random vectors of 32 dimensions; their names, and all vectors with the ids of their chunks."""
    rng = np.random.default_rng(1)
    document = Document.objects.first()
    assert document
    names: list[int] = []
    ids: list[int] = []
    vectors = []
    for size in sizes:
        name = new_vector_set()
        rows = rng.normal(size=(size, 32)).astype(np.float32)
        first = 1000 + len(ids)
        chunks = Chunk.objects.bulk_create(
            Chunk(document=document, position=first + place, text="x") for place in range(size)
        )
        store_vectors(chunk_ids=[chunk.pk for chunk in chunks], vectors=rows, vector_set=name)
        names.append(name)
        vectors.append(rows)
        ids += [chunk.pk for chunk in chunks]
    return names, np.concatenate(vectors), ids


@pytest.mark.parametrize("kept", [256 * 1024, 1])
def test_the_nearest_are_exact(library: Namespace, settings: Settings, kept: int) -> None:
    settings.VECTOR_CACHE_BYTES = kept
    names, vectors, ids = random_sets(library, [300, 1, 40, 7, 500])
    for seed in range(5):
        question = np.random.default_rng(seed).normal(size=32).astype(np.float32)
        best = [ids[place] for place in np.argsort(-(vectors @ question))[:20]]
        assert find_nearest(vector=question, vector_sets=names, limit=20) == best
    half = set(ids[:300])
    assert set(find_nearest(vector=question, vector_sets=names[:1], limit=1000)) == half
    assert find_nearest(vector=question, vector_sets=[1, 2], limit=5) == []


def test_what_is_kept_has_a_bound_and_is_not_read_again(library: Namespace, settings: Settings) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL compares within the database")
    names, vectors, _ = random_sets(library, [100, 100, 100])
    settings.VECTOR_CACHE_BYTES = 30_000
    find_nearest(vector=vectors[0], vector_sets=names, limit=1)
    assert 0 < nearest._kept._size <= 30_000
    kept = [name for name in names if name in nearest._kept._sets]
    Embedding.objects.all().delete()
    assert find_nearest(vector=vectors[0], vector_sets=kept, limit=1)


def test_a_chunk_that_both_rankings_have_comes_first() -> None:
    assert fuse([[1, 2, 3], [4, 2, 5]])[0] == 2
    assert fuse([[1, 2], []]) == [1, 2]
