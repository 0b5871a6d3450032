"""The documents that wait to be read, and those that are being read.

The queue is the table. A status moves only by compare-and-set, and whoever stores a piece of a document asks in the
same transaction whether the document is still theirs: it may have been deleted, or taken over.
"""

import secrets
import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from knowledge.models import (
    UNFINISHED,
    Chunk,
    Document,
    DocumentContent,
    DocumentQuerySet,
    DocumentStatus,
    Embedding,
)
from knowledge.splitting import Passage
from opengpts.errors import OpenGPTsError
from opengpts.worker import is_dead, worker_id

if TYPE_CHECKING:
    from knowledge.fields import Vector

MAX_ATTEMPTS = 3
# Pieces of a document's bytes that are fetched together.
PIECES_AT_ONCE = 8


class NotOurs(Exception):
    """The document was deleted, or another process has taken it over."""


def claim_document() -> Document | None:
    """Take the document that has waited longest, and mark it `processing`; None where none waits.

    Whoever has fewer of theirs being read comes first, so that one user's hundred files hold up nobody else.
    """
    theirs = Document.objects.filter(owner=OuterRef("owner"), status=DocumentStatus.PROCESSING).order_by()
    busy = Coalesce(Subquery(theirs.values("owner").annotate(total=Count("pk")).values("total")), 0)
    waiting = Document.objects.filter(status=DocumentStatus.PENDING)
    for document_id in waiting.order_by(busy, "created_at", "id").values_list("pk", flat=True)[:10]:
        claimed = waiting.filter(pk=document_id).update(
            status=DocumentStatus.PROCESSING,
            attempts=F("attempts") + 1,
            worker=worker_id(),
            heartbeat_at=timezone.now(),
        )
        document = Document.objects.filter(pk=document_id).first() if claimed else None
        if document is not None:
            return document
    return None


def begin(*, document: Document) -> tuple[bytes, int]:
    """The bytes of a claimed document, and the name of a new set of vectors for it.

    What an earlier attempt has left is deleted. Raises `NotOurs`.
    """
    with transaction.atomic():
        _keep(document, chunks_done=0, chunk_count=0)
        Chunk.objects.filter(document=document).delete()
        pieces = DocumentContent.objects.filter(document=document).order_by("position").values_list("data", flat=True)
        data = b"".join(pieces.iterator(chunk_size=PIECES_AT_ONCE))
    return data, new_vector_set()


def new_vector_set() -> int:
    """A name for a set of vectors that no other has."""
    return secrets.randbits(62)


def store_chunks(
    *,
    document: Document,
    first: int,
    passages: Sequence[Passage],
    vectors: "Vector | None",
    vector_set: int,
    total: int,
) -> None:
    """Store some of a document's passages, from number `first` on, with their vectors. Raises `NotOurs`."""
    chunks = [
        Chunk(
            document=document,
            position=first + place,
            text=passage.text,
            page=passage.page,
            section=passage.section or "",
        )
        for place, passage in enumerate(passages)
    ]
    with transaction.atomic():
        _keep(document, chunks_done=first + len(chunks), chunk_count=total, heartbeat_at=timezone.now())
        Chunk.objects.bulk_create(chunks)
        if vectors is not None:
            store_vectors(chunk_ids=[chunk.pk for chunk in chunks], vectors=vectors, vector_set=vector_set)


def store_vectors(*, chunk_ids: Sequence[int], vectors: "Vector", vector_set: int) -> None:
    """Store the vectors of these chunks, row by row, in a set that does not count yet."""
    Embedding.objects.bulk_create(
        Embedding(chunk_id=chunk_id, vector_set=vector_set, vector=vector)
        for chunk_id, vector in zip(chunk_ids, vectors, strict=True)
    )


def finish(*, document: Document, media_type: str, model: str, dimension: int, vector_set: int, total: int) -> None:
    """All of the document is stored: from now on it is searched. Raises `NotOurs`."""
    with transaction.atomic():
        _keep(
            document,
            status=DocumentStatus.READY,
            media_type=media_type[:255],
            embedding_model=model,
            embedding_dimension=dimension,
            vector_set=vector_set,
            chunks_done=total,
            chunk_count=total,
            finished_at=timezone.now(),
        )
        DocumentContent.objects.filter(document=document).delete()


def fail(*, document: Document, error: OpenGPTsError) -> None:
    """The document cannot be read: none of it stays but the file itself, to be tried again. Raises `NotOurs`."""
    with transaction.atomic():
        _keep(
            document,
            status=DocumentStatus.FAILED,
            error_code=error.code,
            error_message=error.message,
            chunks_done=0,
            chunk_count=0,
            finished_at=timezone.now(),
        )
        Chunk.objects.filter(document=document).delete()


def requeue(*, document: Document) -> bool:
    """Put a document of this process back into the queue. False where it is not ours."""
    # This attempt did not fail, so it does not count.
    return bool(_ours(document).update(status=DocumentStatus.PENDING, attempts=F("attempts") - 1))


def _keep(document: Document, **fields: object) -> None:
    if not _ours(document).update(**fields):
        raise NotOurs


def _ours(document: Document) -> DocumentQuerySet:
    return Document.objects.filter(
        pk=document.pk, status=DocumentStatus.PROCESSING, worker=worker_id(), attempts=document.attempts
    )


def keep_alive(*, reading: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Say that this process still reads these documents. Returns those that are its no more: deleted, or taken over."""
    if not reading:
        return set()
    ours = Document.objects.filter(pk__in=reading, worker=worker_id(), status=DocumentStatus.PROCESSING)
    ours.update(heartbeat_at=timezone.now())
    return set(reading) - set(ours.values_list("pk", flat=True))


def recover_lost(*, reading: Collection[uuid.UUID] = ()) -> int:
    """Put the documents back whose process died; not those that are being read here. Returns how many changed.

    One that has taken its process down `MAX_ATTEMPTS` times has failed instead.
    """
    stale = timezone.now() - timedelta(seconds=settings.RUN_LOST_AFTER)
    processing = Document.objects.filter(status=DocumentStatus.PROCESSING).exclude(pk__in=reading, worker=worker_id())
    workers = set(processing.values_list("worker", flat=True))
    lost = processing.filter(Q(heartbeat_at__lt=stale) | Q(worker__in=[name for name in workers if is_dead(name)]))
    with transaction.atomic():
        given_up = list(lost.filter(attempts__gte=MAX_ATTEMPTS).select_for_update().values_list("pk", flat=True))
        Document.objects.filter(pk__in=given_up).update(
            status=DocumentStatus.FAILED,
            error_code="document_lost",
            error_message=f"The server stopped while it read this file, {MAX_ATTEMPTS} times.",
            chunks_done=0,
            chunk_count=0,
            finished_at=timezone.now(),
        )
        Chunk.objects.filter(document__in=given_up).delete()
    return len(given_up) + lost.update(status=DocumentStatus.PENDING)


def is_finished(*, document_ids: Collection[uuid.UUID]) -> bool:
    """Whether none of these documents waits or is being read: they are ready, failed or gone."""
    return not Document.objects.filter(pk__in=document_ids, status__in=UNFINISHED).exists()
