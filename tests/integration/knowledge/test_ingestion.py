"""Documents from upload to search, and what is left when something goes wrong on the way."""

import asyncio
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from assistants.models import Assistant
from assistants.services import delete_assistant
from knowledge import ingestion, intake, queue
from knowledge.embeddings import EmbeddingFailed, open_embedder
from knowledge.intake import Namespace, chunk_ids, delete_document, retry_document, thread_namespace
from knowledge.models import Chunk, Document, DocumentContent, DocumentStatus, Embedding
from knowledge.search import Scope, search
from knowledge.uploads import PIECE
from opengpts.db import in_database_thread
from opengpts.errors import OpenGPTsError
from tests.integration.knowledge.conftest import read_all, store
from threads.models import Thread
from threads.services import delete_thread

pytestmark = pytest.mark.django_db(transaction=True)

LONG = " ".join(f"Sentence number {number} tells of herons and of reeds." for number in range(1500))


def word_rows() -> int:
    """The rows of the index over the words that a search for "herons" finds, whatever documents there are."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT count(*) FROM knowledge_chunk WHERE words @@ 'heron'::tsquery")
        else:
            cursor.execute("SELECT count(*) FROM knowledge_words WHERE knowledge_words MATCH 'heron'")
        return int(cursor.fetchone()[0])


def assert_nothing_is_left() -> None:
    assert not Chunk.objects.exists()
    assert not Embedding.objects.exists()
    assert not DocumentContent.objects.exists()
    assert word_rows() == 0


async def until_half_way() -> None:
    """Return when a document has some of its chunks."""
    while not await Chunk.objects.aexists():  # noqa: ASYNC110  (the database has no event)
        await asyncio.sleep(0.001)


async def found(namespace: Namespace, question: str) -> list[str]:
    scope = Scope(assistant_id=namespace.assistant_id, thread_id=namespace.thread_id)
    return [chunk.text for chunk in await search(scope=scope, question=question)]


async def test_a_document_is_searched_when_it_has_been_read(namespace: Namespace) -> None:
    document = await in_database_thread(store, namespace, LONG, "herons.txt")
    assert await found(namespace, "herons") == []
    await read_all()
    await document.arefresh_from_db()
    assert (document.status, document.progress, document.attempts) == (DocumentStatus.READY, 100, 1)
    assert (
        document.chunk_count == await document.chunks.acount() == await Embedding.objects.acount() > ingestion.BATCH / 2
    )
    assert (document.embedding_model, document.embedding_dimension) == ("wordllama:l2_supercat_256", 256)
    assert not await DocumentContent.objects.aexists()
    assert len(await found(namespace, "herons")) == 4


async def test_the_same_bytes_are_stored_once(namespace: Namespace) -> None:
    first = await in_database_thread(store, namespace, "about herons")
    again = await in_database_thread(store, namespace, "about herons", "other.txt")
    await read_all()
    ready = await in_database_thread(store, namespace, "about herons")
    assert first.pk == again.pk == ready.pk
    assert ready.status == DocumentStatus.READY
    ids = [await in_database_thread(chunk_ids, document_ids=[first.pk, again.pk]) for _ in range(2)]
    assert ids[0] == ids[1]
    assert ids[0][0] == ids[0][1] == [str((await Chunk.objects.aget()).uuid)]


def test_a_large_file_is_kept_in_pieces(namespace: Namespace) -> None:
    text = b" ".join(b"%d herons" % number for number in range(200_000))
    document = store(namespace, text)
    sizes = [len(data) for data in DocumentContent.objects.order_by("position").values_list("data", flat=True)]
    assert sizes == [PIECE, PIECE, len(text) - 2 * PIECE]
    claimed = queue.claim_document()
    assert claimed is not None
    assert queue.begin(document=claimed)[0] == text
    delete_document(owner=namespace.owner, document_id=document.pk)
    assert_nothing_is_left()


async def test_a_failed_file_can_come_again_under_another_name(namespace: Namespace) -> None:
    page = b"<div>" * 5000 + b"heron"
    failed = await in_database_thread(store, namespace, page, "heron.html")
    await read_all()
    again = await in_database_thread(store, namespace, page, "heron.txt")
    assert (again.pk, again.name, again.status) == (failed.pk, "heron.txt", DocumentStatus.PENDING)
    await read_all()
    await again.arefresh_from_db()
    assert (again.status, again.media_type) == (DocumentStatus.READY, "text/plain")


async def test_the_same_bytes_at_once_are_stored_once(namespace: Namespace) -> None:
    barrier = threading.Barrier(4)

    def put() -> uuid.UUID:
        barrier.wait()
        try:
            return store(namespace, LONG).pk
        finally:
            connections.close_all()

    assert len(set(await asyncio.gather(*(asyncio.to_thread(put) for _ in range(4))))) == 1
    assert await Document.objects.acount() == await DocumentContent.objects.acount() == 1


async def test_another_namespace_has_its_own(namespace: Namespace) -> None:
    thread = await Thread.objects.acreate(owner=namespace.owner)
    other = await in_database_thread(thread_namespace, owner=namespace.owner, thread_id=str(thread.pk))
    documents = [await in_database_thread(store, where, "about herons") for where in (namespace, other)]
    await read_all()
    assert documents[0].pk != documents[1].pk
    assert await found(namespace, "herons") == await found(other, "herons") == ["about herons"]
    both = Scope(assistant_id=namespace.assistant_id, thread_id=thread.pk)
    assert len(await search(scope=both, question="herons")) == 2
    assert await search(scope=Scope(), question="herons") == []


async def test_what_cannot_be_read_leaves_nothing_but_the_reason(namespace: Namespace) -> None:
    texts = {"good.txt": "about herons", "empty.txt": "   ", "too.txt": "more herons"}
    documents = [await in_database_thread(store, namespace, text, name) for name, text in texts.items()]
    await read_all()
    ids = [document.pk for document in documents]
    with pytest.raises(OpenGPTsError, match=r"^empty\.txt: .+ The other files were stored\.$") as caught:
        await in_database_thread(chunk_ids, document_ids=ids)
    assert caught.value.status == 422
    failed = await Document.objects.aget(pk=ids[1])
    assert (failed.status, failed.error_code, failed.progress) == (DocumentStatus.FAILED, "unreadable_document", 0)
    assert sorted(await found(namespace, "herons")) == ["about herons", "more herons"]


async def test_a_failure_on_the_way_leaves_no_part(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = await asyncio.to_thread(open_embedder)
    calls: list[int] = []

    class Tired:
        async def embed_passages(self, texts: Any) -> Any:
            calls.append(len(texts))
            if len(calls) > 1:
                assert await Chunk.objects.acount() == calls[0]
                raise EmbeddingFailed("It is tired.")
            return await embedder.embed_passages(texts)

    monkeypatch.setattr(ingestion, "BATCH", 10)
    monkeypatch.setattr(ingestion, "open_embedder", Tired)
    document = await in_database_thread(store, namespace, LONG)
    await read_all()
    await document.arefresh_from_db()
    assert (document.status, document.error_message) == (DocumentStatus.FAILED, "It is tired.")
    assert not await Chunk.objects.aexists()
    assert not await Embedding.objects.aexists()
    assert await in_database_thread(word_rows) == 0

    monkeypatch.setattr(ingestion, "open_embedder", open_embedder)
    again = await in_database_thread(store, namespace, LONG)
    assert (again.pk, again.status, again.error_code) == (document.pk, DocumentStatus.PENDING, "")
    await read_all()
    assert len(await found(namespace, "herons")) == 4


async def test_a_process_that_died_half_way_is_followed_by_another(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await in_database_thread(store, namespace, LONG)
    monkeypatch.setattr(ingestion, "BATCH", 10)
    claimed = await in_database_thread(queue.claim_document)
    assert claimed
    reading = asyncio.create_task(ingestion.ingest(claimed))
    await until_half_way()
    # As if another process had it, and had gone.
    await Document.objects.aupdate(worker="elsewhere:1:x", heartbeat_at=timezone.now() - timedelta(hours=1))
    assert await found(namespace, "herons") == []
    assert await in_database_thread(queue.recover_lost) == 1
    await reading
    assert (await Document.objects.aget()).status == DocumentStatus.PENDING
    await read_all()
    await document.arefresh_from_db()
    assert (document.status, document.attempts) == (DocumentStatus.READY, 2)
    positions = [position async for position in Chunk.objects.values_list("position", flat=True)]
    assert positions == list(range(document.chunk_count))
    assert {row.vector_set async for row in Embedding.objects.all()} == {document.vector_set}


async def test_a_document_that_kills_its_process_is_given_up(namespace: Namespace) -> None:
    document = await in_database_thread(store, namespace, LONG)
    for attempt in range(1, queue.MAX_ATTEMPTS + 1):
        claimed = await in_database_thread(queue.claim_document)
        assert claimed
        assert claimed.attempts == attempt
        await Document.objects.aupdate(heartbeat_at=timezone.now() - timedelta(hours=1))
        assert await in_database_thread(queue.recover_lost) == 1
    await document.arefresh_from_db()
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, "document_lost")
    assert await in_database_thread(queue.claim_document) is None


async def test_a_stopping_server_puts_a_document_back(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    document = await in_database_thread(store, namespace, LONG)

    async def forever(*args: Any) -> Any:
        await asyncio.sleep(3600)

    monkeypatch.setattr(ingestion, "parse", forever)
    claimed = await in_database_thread(queue.claim_document)
    assert claimed
    reading = asyncio.create_task(ingestion.ingest(claimed))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await document.arefresh_from_db()
    assert (document.status, document.attempts) == (DocumentStatus.PENDING, 0)


@pytest.mark.parametrize("what", ["document", "assistant", "thread", "queryset"])
def test_what_is_deleted_takes_its_chunks_along(namespace: Namespace, what: str) -> None:
    if what == "thread":
        thread = Thread.objects.create(owner=namespace.owner)
        namespace = thread_namespace(owner=namespace.owner, thread_id=str(thread.pk))
    document = store(namespace, LONG)
    store(namespace, "waiting")
    asyncio.run(_read_one())
    assert word_rows() > 1
    if what == "document":
        delete_document(owner=namespace.owner, document_id=document.pk)
        Document.objects.get().delete()
    elif what == "thread":
        assert namespace.thread_id
        delete_thread(owner=namespace.owner, thread_id=namespace.thread_id)
    elif what == "assistant":
        assert namespace.assistant_id
        delete_assistant(owner=namespace.owner, assistant_id=namespace.assistant_id)
    else:
        Assistant.objects.all().delete()
    assert not Document.objects.exists()
    assert_nothing_is_left()


async def _read_one() -> None:
    document = await in_database_thread(queue.claim_document)
    assert document
    await ingestion.ingest(document)


async def test_a_large_document_goes_in_small_transactions(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off, it can be deleted again, and uploading it again reads it anew."""
    text = " ".join(f"Heron {number} waits." for number in range(3000))
    document = await in_database_thread(store, namespace, text)
    await read_all()
    total = await Chunk.objects.acount()
    monkeypatch.setattr(intake, "DELETED_AT_ONCE", 10)
    assert total > 30
    deletions = 0

    def break_off(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal deletions
        deletions += sql.startswith("DELETE")
        if deletions == 3 or sql.startswith('DELETE FROM "knowledge_document"'):
            raise KeyboardInterrupt
        return execute(sql, *args)

    def delete() -> None:
        with connection.execute_wrapper(break_off), pytest.raises(KeyboardInterrupt):
            delete_document(owner=namespace.owner, document_id=document.pk)

    await in_database_thread(delete)
    left = await Chunk.objects.acount()
    assert left == (total - 20 if connection.vendor == "sqlite" else total)
    await in_database_thread(store, namespace, text)
    await read_all()
    assert await Chunk.objects.acount() == total
    assert (await Document.objects.aget()).status == DocumentStatus.READY
    await in_database_thread(delete_document, owner=namespace.owner, document_id=document.pk)
    assert not await Document.objects.aexists()
    assert not await Chunk.objects.aexists()


async def test_a_document_may_be_deleted_while_it_is_read(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "BATCH", 5)
    await in_database_thread(store, namespace, LONG)
    reading = asyncio.create_task(_read_one())
    await until_half_way()
    assert namespace.assistant_id
    await in_database_thread(delete_assistant, owner=namespace.owner, assistant_id=namespace.assistant_id)
    await reading
    await in_database_thread(assert_nothing_is_left)


def test_only_what_has_failed_is_tried_again(namespace: Namespace) -> None:
    document = store(namespace, "about herons")
    assert not retry_document(document=document)
    Document.objects.update(status=DocumentStatus.FAILED, error_code="x")
    assert retry_document(document=document)


def test_one_users_many_files_hold_up_nobody_else(namespace: Namespace, django_user_model: Any) -> None:
    for number in range(3):
        store(namespace, f"file {number}")
    bob = django_user_model.objects.create(username="bob")
    thread = Thread.objects.create(owner=bob)
    store(thread_namespace(owner=bob, thread_id=str(thread.pk)), "bob's")
    owners = [document.owner.username for _ in range(4) if (document := queue.claim_document())]
    assert owners == ["alice", "bob", "alice", "alice"]
