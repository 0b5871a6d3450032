"""Vectors of a provider: what is asked of it, what is said when it fails, and vectors of two models side by side."""

import asyncio
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from langchain.embeddings import base as langchain_embeddings
from langchain_openai import OpenAIEmbeddings
from pytest_django import Settings

import knowledge.search
from agents.language_models import connections
from agents.language_models.providers import module_of
from knowledge import embedding_model, ingestion, reembedding
from knowledge.embedding_model import embedding_problem
from knowledge.embeddings import EmbeddingFailed, EmbeddingUnavailable, open_embedder
from knowledge.intake import Namespace
from knowledge.models import Document, DocumentStatus, Embedding
from knowledge.search import Scope, find_chunks, question_vector, search
from opengpts.db import in_database_thread
from tests.integration.knowledge.conftest import read_all, store
from tests.services import FakeOpenAI

pytestmark = pytest.mark.django_db(transaction=True)

OPENAI = "openai:text-embedding-3-small"
TEXTS = {"heron.txt": "The heron waits for fish.", "otter.txt": "The otter opens mussels.", "elk.txt": "An elk swims."}


@pytest.fixture
async def openai(settings: Settings, openai_server: FakeOpenAI) -> AsyncIterator[FakeOpenAI]:
    """Vectors come from the stand-in for OpenAI."""
    settings.OPENAI_API_KEY = "a-key"
    settings.OPENAI_BASE_URL = openai_server.base_url
    settings.EMBEDDINGS = OPENAI
    yield openai_server
    await connections.aclose()


async def store_all(namespace: Namespace) -> None:
    for name, text in TEXTS.items():
        await in_database_thread(store, namespace, text, name)
    await read_all()


async def names(namespace: Namespace, question: str) -> list[str]:
    chunks = await search(scope=Scope(assistant_id=namespace.assistant_id), question=question)
    return [chunk.document.name for chunk in chunks]


async def test_a_provider_is_asked_for_the_vectors(namespace: Namespace, openai: FakeOpenAI) -> None:
    await store_all(namespace)
    asked = openai.requests()
    assert [request["body"]["input"] for request in asked] == [[text] for text in TEXTS.values()]
    assert {request["body"]["model"] for request in asked} == {"text-embedding-3-small"}
    assert {request["authorization"] for request in asked} == {"Bearer a-key"}
    document = await Document.objects.afirst()
    assert document
    assert (document.embedding_model, document.embedding_dimension) == (OPENAI, 64)
    assert (await names(namespace, "mussels"))[0] == "otter.txt"


async def test_many_passages_are_asked_for_together(namespace: Namespace, openai: FakeOpenAI) -> None:
    await in_database_thread(store, namespace, " ".join(f"Heron {number} waits." for number in range(12_000)))
    await read_all()
    document = await Document.objects.aget()
    assert document.chunk_count > ingestion.BATCH
    sizes = [len(request["body"]["input"]) for request in openai.requests()]
    assert sum(sizes) == document.chunk_count
    assert sizes[0] == ingestion.BATCH


@pytest.mark.parametrize(
    ("status", "code", "says"), [(400, "embedding_failed", "400"), (401, "embedding_unavailable", "OPENAI_API_KEY")]
)
async def test_a_refusal_is_the_documents_reason(
    namespace: Namespace, openai: FakeOpenAI, status: int, code: str, says: str
) -> None:
    await in_database_thread(store, namespace, f"FAIL:{status}")
    await read_all()
    document = await Document.objects.aget()
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, code)
    assert says in document.error_message
    assert OPENAI in document.error_message


async def test_vectors_of_different_lengths_are_refused(namespace: Namespace, openai: FakeOpenAI) -> None:
    text = "\n\n".join(f"{number} {'heron ' * 150}" for number in range(ingestion.BATCH))
    await in_database_thread(store, namespace, f"{text}\n\n{'otter ' * 150} DIMENSION:32")
    await read_all()
    document = await Document.objects.aget()
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, "embedding_failed")
    assert document.error_message == f"The embedding model {OPENAI} sent vectors of different lengths."
    assert len(openai.requests()) == 2


async def test_of_a_long_question_the_beginning_counts(namespace: Namespace, openai: FakeOpenAI) -> None:
    await store_all(namespace)
    openai.forget()
    assert (await names(namespace, "heron " * 100_000))[0] == "heron.txt"
    (request,) = openai.requests()
    assert len(str(request["body"]["input"])) < 3000


async def test_what_goes_by_is_tried_again(openai: FakeOpenAI) -> None:
    with pytest.raises(EmbeddingFailed, match="500"):
        await open_embedder().embed_passages(["FAIL:500"])
    assert len(openai.requests()) == 4


@pytest.mark.parametrize(
    ("model", "key", "says"),
    [
        (OPENAI, "", "needs OPENAI_API_KEY"),
        ("cohere:embed-english-v3.0", "x", "package that is not installed: langchain-cohere"),
        ("nobody:nothing", "x", "a provider that is not known"),
        ("openai:", "x", "names no model"),
    ],
)
async def test_what_is_missing_is_said(
    namespace: Namespace, settings: Settings, model: str, key: str, says: str
) -> None:
    settings.EMBEDDINGS, settings.OPENAI_API_KEY = model, key
    with pytest.raises(EmbeddingUnavailable, match=says):
        open_embedder()
    await in_database_thread(store, namespace, "heron")
    await read_all()
    document = await Document.objects.aget()
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, "embedding_unavailable")
    assert says in document.error_message


async def test_words_are_searched_where_the_question_has_no_vector(
    namespace: Namespace, openai: FakeOpenAI, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await store_all(namespace)
    settings.OPENAI_API_KEY = ""
    assert await names(namespace, "opens mussels") == ["otter.txt"]
    assert "by words alone" in caplog.text


async def test_words_are_searched_where_the_vector_takes_too_long(
    namespace: Namespace, openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_all(namespace)
    monkeypatch.setattr(knowledge.search, "QUESTION_TIMEOUT", 0.2)
    async with asyncio.timeout(5):
        assert await names(namespace, "herons DELAY:20000") == ["heron.txt"]


async def test_the_last_failure_is_kept_until_the_model_answers(openai: FakeOpenAI) -> None:
    assert await question_vector("FAIL:401") is None
    assert OPENAI in str(embedding_problem())
    assert "OPENAI_API_KEY" in str(embedding_problem())
    assert await question_vector("heron") is not None
    assert embedding_problem() is None


async def test_a_traceback_is_logged_once(
    openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: OpenAIEmbeddings, text: str) -> list[float]:
        raise RuntimeError("a bug of the provider's package")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIEmbeddings, "aembed_query", broken)
        for _ in range(3):
            assert await question_vector("heron") is None
    assert len([record for record in caplog.records if record.exc_info]) == 1
    lines = [record.getMessage() for record in caplog.records if "by words alone" in record.message]
    assert len(lines) == 3
    assert await question_vector("heron") is not None
    assert embedding_problem() is None


def test_the_providers_are_those_of_langchain() -> None:
    assert {name: module_of(name) for name in embedding_model._KEYS} == {
        name: module.partition(".")[0] for name, (module, *_) in langchain_embeddings._BUILTIN_PROVIDERS.items()
    }


async def test_documents_without_vectors_are_searched_by_words(namespace: Namespace, settings: Settings) -> None:
    settings.EMBEDDINGS = "none"
    await store_all(namespace)
    assert not await Embedding.objects.aexists()
    assert await names(namespace, "opens mussels") == ["otter.txt"]


def vector_hits(namespace: Namespace, vector: Any) -> set[str]:
    """The documents that are found though none of the question's words stands in them."""
    scope = Scope(assistant_id=namespace.assistant_id)
    return {chunk.document.name for chunk in find_chunks(scope=scope, question="zzz", vector=vector)}


async def test_vectors_of_two_models_are_never_mixed(
    namespace: Namespace, openai: FakeOpenAI, settings: Settings
) -> None:
    await store_all(namespace)
    settings.EMBEDDINGS = "wordllama"
    await in_database_thread(store, namespace, "A grebe dives.", "grebe.txt")
    await read_all()
    vector = await question_vector("mussels")
    assert await in_database_thread(vector_hits, namespace, vector) == {"grebe.txt"}
    assert (await names(namespace, "opens mussels"))[0] == "otter.txt", "its words are searched all the same"

    out = StringIO()
    await sync_to_async(call_command, thread_sensitive=False)("reembed", stdout=out)
    assert "3 documents have vectors of wordllama:l2_supercat_256; 0 have not." in out.getvalue()
    assert "[########################################] 3/3 chunks" in out.getvalue()
    assert await in_database_thread(vector_hits, namespace, vector) == {"grebe.txt", *TEXTS}
    assert await Embedding.objects.acount() == 4
    out = StringIO()
    await sync_to_async(call_command, thread_sensitive=False)("reembed", stdout=out)
    assert "All documents" in out.getvalue()


async def test_an_interrupted_reembed_changes_nothing_and_goes_on(
    namespace: Namespace, openai: FakeOpenAI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_all(namespace)
    settings.EMBEDDINGS = "wordllama"
    real = open_embedder()
    calls = 0

    class Tired:
        async def embed_passages(self, texts: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise EmbeddingFailed("It is tired.")
            return await real.embed_passages(texts)

    monkeypatch.setattr(reembedding, "open_embedder", Tired)
    with pytest.raises(CommandError, match="It is tired"):
        await sync_to_async(call_command, thread_sensitive=False)("reembed", "--yes", stdout=StringIO())
    assert await Document.objects.filter(embedding_model=OPENAI).acount() == 2
    assert await Embedding.objects.acount() == 3
    await sync_to_async(call_command, thread_sensitive=False)("reembed", "--yes", stdout=StringIO())
    assert not await Document.objects.filter(embedding_model=OPENAI).aexists()
    assert await Embedding.objects.acount() == 3


async def test_the_newest_vectors_are_not_replaced_unasked(
    namespace: Namespace, openai: FakeOpenAI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_all(namespace)
    settings.EMBEDDINGS = "wordllama"
    out, err = StringIO(), StringIO()
    reembed = sync_to_async(call_command, thread_sensitive=False)
    monkeypatch.setattr("sys.stdin", StringIO())
    with pytest.raises(CommandError, match="--yes"):
        await reembed("reembed", stdout=out, stderr=err)
    assert "3 documents are given vectors of wordllama:l2_supercat_256." in out.getvalue()
    assert f"has vectors of {OPENAI}" in err.getvalue()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        await reembed("reembed", stdout=out, stderr=err)
    assert await Document.objects.filter(embedding_model=OPENAI).acount() == 3
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    await reembed("reembed", stdout=out, stderr=err)
    assert not await Document.objects.filter(embedding_model=OPENAI).aexists()


async def test_of_two_reembeds_at_once_one_counts(namespace: Namespace, openai: FakeOpenAI, settings: Settings) -> None:
    await in_database_thread(store, namespace, "heron")
    await read_all()
    settings.EMBEDDINGS = "wordllama"
    document = await Document.objects.aget()
    first, second = reembedding.reembed(document), reembedding.reembed(document)
    assert [await anext(first), await anext(second)] == [1, 1]
    assert [done async for done in first] == []
    assert [done async for done in second] == []
    changed = await Document.objects.aget()
    assert [row.vector_set async for row in Embedding.objects.all()] == [changed.vector_set]
