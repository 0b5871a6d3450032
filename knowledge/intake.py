"""Documents in: what is uploaded becomes rows that wait to be read."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from audit.services import record_deletion, record_put
from knowledge.models import Chunk, Document, DocumentContent, DocumentQuerySet, DocumentStatus
from knowledge.uploads import UploadedFile
from opengpts.errors import Conflict, NotFound, OpenGPTsError
from opengpts.lookup import find
from quotas.allowances import allowance_of
from quotas.storage import check_storage
from threads.models import Thread

# Chunks that go in one transaction: 0.1 s.
DELETED_AT_ONCE = 500
BEING_DELETED = "This document is being deleted."


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where documents are known: in one assistant, or in one thread."""

    owner: User
    assistant_id: uuid.UUID | None = None
    thread_id: uuid.UUID | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The same as columns of a document."""
        return {"assistant_id": self.assistant_id, "thread_id": self.thread_id}


def assistant_namespace(*, owner: User, assistant_id: str) -> Namespace:
    """The namespace of one of `owner`'s assistants. Raises `NotFound` for another's, public or not."""
    return Namespace(owner, assistant_id=find(Assistant.objects.owned_by(owner), assistant_id, what="Assistant").pk)


def thread_namespace(*, owner: User, thread_id: str) -> Namespace:
    """The namespace of one of `owner`'s threads. Raises `NotFound`."""
    return Namespace(owner, thread_id=find(Thread.objects.owned_by(owner), thread_id, what="Thread").pk)


def store_documents(*, namespace: Namespace, files: Sequence[UploadedFile]) -> list[Document]:
    """The documents of these files, in their order. New ones wait to be read (`worker.wake` is the caller's to call).

    Bytes that the namespace has already are not stored again: theirs is the document that is there, and one that has
    failed waits once more. Raises `NotFound` where the assistant or the thread was deleted meanwhile, and, before
    anything is stored, `Conflict` where it would have more documents than INGEST_MAX_DOCUMENTS, `QuotaExceeded` where
    the new ones are more than the owner may store.
    """
    _refuse_too_many(namespace, {file.sha256 for file in files})
    new = {file.sha256: file.size for file in files}
    for sha256 in Document.objects.filter(**namespace.fields, sha256__in=new).values_list("sha256", flat=True):
        del new[sha256]
    if new:
        check_storage(user=namespace.owner, allowance=allowance_of(namespace.owner), adding=sum(new.values()))
    return [_store(namespace, file) for file in files]


def _refuse_too_many(namespace: Namespace, hashes: set[str]) -> None:
    there = Document.objects.filter(**namespace.fields)
    new = len(hashes) - there.filter(sha256__in=hashes).count()
    if new and there.count() + new > settings.INGEST_MAX_DOCUMENTS:
        raise Conflict(
            f"An assistant or a thread may have {settings.INGEST_MAX_DOCUMENTS} documents (INGEST_MAX_DOCUMENTS). "
            "Delete some first."
        )


def _store(namespace: Namespace, file: UploadedFile) -> Document:
    known = Document.objects.filter(**namespace.fields, sha256=file.sha256)
    # Twice at most: it may be added by another, and deleted again, between two of these statements.
    for _ in range(3):
        document = known.first()
        if document and document.status == DocumentStatus.FAILED:
            _keep_bytes(document, file)
            retry_document(document=document, name=file.name)
            document = known.first()
        if document:
            return document
        try:
            with transaction.atomic():
                document = Document.objects.create(
                    **namespace.fields, owner=namespace.owner, name=file.name, size=file.size, sha256=file.sha256
                )
                _store_bytes(document, file)
                record_put(target=document, owner=namespace.owner, made=True, changed=())
        except IntegrityError:
            if not _exists(namespace):
                raise NotFound(f"{'Assistant' if namespace.assistant_id else 'Thread'} not found") from None
        else:
            return document
    raise NotFound("Document not found")


def _store_bytes(document: Document, file: UploadedFile) -> None:
    for position, piece in enumerate(file.pieces()):
        DocumentContent.objects.create(document=document, position=position, data=piece)


def _keep_bytes(document: Document, file: UploadedFile) -> None:
    """Give a failed document its bytes back, where a deletion that was broken off has left it without."""
    # Another upload may be doing the same, or the document be gone now.
    with suppress(IntegrityError), transaction.atomic():
        if not DocumentContent.objects.filter(document=document).exists():
            _store_bytes(document, file)


def _exists(namespace: Namespace) -> bool:
    if namespace.assistant_id:
        return Assistant.objects.filter(pk=namespace.assistant_id).exists()
    return bool(namespace.thread_id and Thread.objects.filter(pk=namespace.thread_id).exists())


def retry_document(*, document: Document, name: str | None = None) -> bool:
    """Have a failed document, whose bytes are still there, read again: under another name, where one is given.

    False where it has not failed, or is gone.
    """
    failed = Document.objects.filter(pk=document.pk, status=DocumentStatus.FAILED)
    return bool(
        failed.update(
            status=DocumentStatus.PENDING,
            error_code="",
            error_message="",
            attempts=0,
            chunks_done=0,
            chunk_count=0,
            created_at=timezone.now(),
            finished_at=None,
            # A text's name says how it is to be read.
            name=document.name if name is None else name,
        )
    )


def delete_document(*, owner: User, document_id: uuid.UUID) -> None:
    """Delete `owner`'s document with its chunks and vectors. One that is not there, or not theirs, changes nothing."""
    documents = Document.objects.owned_by(owner).filter(pk=document_id)
    if connection.vendor == "sqlite":
        _delete_chunks(documents)
    with transaction.atomic():
        if (document := documents.select_for_update().first()) is not None:
            record_deletion(target=document, owner=owner)
            documents.delete()


def _delete_chunks(documents: DocumentQuerySet) -> None:
    """Delete most of a document in small transactions: taking 70,000 chunks out of the index keeps SQLite for 10 s.

    It fails first, so that a search leaves it aside, and so that uploading it again after a crash stores it anew.
    """
    chunks = Chunk.objects.filter(document__in=documents).order_by()
    if chunks.values("pk")[DELETED_AT_ONCE:].exists():
        documents.update(status=DocumentStatus.FAILED, error_code=NotFound.code, error_message=BEING_DELETED)
    while few := list(chunks.values_list("pk", flat=True)[DELETED_AT_ONCE : 2 * DELETED_AT_ONCE]):
        Chunk.objects.filter(pk__in=few).delete()


def chunk_ids(*, document_ids: Sequence[uuid.UUID]) -> list[list[str]]:
    """For each of these documents, which have been read, the ids of its chunks in their order.

    Raises an error that names those which could not be read, and says why: under the code of the first.
    """
    documents = Document.objects.in_bulk(document_ids)
    failed = [documents[pk] for pk in dict.fromkeys(document_ids) if pk in documents and documents[pk].error_code]
    if failed:
        raise _about(failed, among=len(document_ids))
    if any(pk not in documents for pk in document_ids):
        raise NotFound("A document was deleted before it was read.")
    found: dict[uuid.UUID, list[str]] = {pk: [] for pk in document_ids}
    rows = Chunk.objects.filter(document__in=documents).order_by("document", "position")
    for pk, chunk_id in rows.values_list("document", "uuid"):
        found[pk].append(str(chunk_id))
    return [found[pk] for pk in document_ids]


def _about(failed: Sequence[Document], *, among: int) -> OpenGPTsError:
    reasons = " ".join(f"{document.name}: {document.error_message}" for document in failed)
    others = " The other files were stored." if among > len(failed) else ""
    return OpenGPTsError(reasons + others, code=failed[0].error_code)
