"""Documents: files that an assistant or a thread knows, in pieces that can be searched."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from assistants.models import Assistant
from knowledge.fields import VectorField
from threads.models import Thread

if TYPE_CHECKING:
    from accounts.models import User

MAX_NAME = 255


class DocumentStatus(models.TextChoices):
    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


UNFINISHED = (DocumentStatus.PENDING, DocumentStatus.PROCESSING)


class DocumentQuerySet(models.QuerySet["Document"]):
    def owned_by(self, user: "User") -> "DocumentQuerySet":
        """The documents of `user`'s assistants and threads: the only ones they may see or change."""
        return self.filter(owner=user)

    def known_to(self, *, assistant_id: uuid.UUID | None, thread_id: uuid.UUID | None) -> "DocumentQuerySet":
        """What a run of this assistant on this thread may search: the documents of either that are ready."""
        where = Q(assistant=assistant_id) if assistant_id else Q()
        if thread_id:
            where |= Q(thread=thread_id)
        return self.filter(where, status=DocumentStatus.READY) if where else self.none()

    def outdated(self, model: str) -> "DocumentQuerySet":
        """The documents whose vectors are not of `model`, so that only their words are searched."""
        return self.filter(status=DocumentStatus.READY).exclude(embedding_model=model)


class Document(models.Model):
    """One file, in the namespace of an assistant or of a thread.

    The rows in `pending` are the queue, as with runs. Only what is `ready` is searched, so the pieces of a
    document appear all at once. The same bytes stand once in a namespace.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Neither has an index of its own: the unique constraints begin with them.
    assistant = models.ForeignKey(
        Assistant, models.CASCADE, null=True, blank=True, related_name="documents", db_index=False
    )
    thread = models.ForeignKey(Thread, models.CASCADE, null=True, blank=True, related_name="documents", db_index=False)
    # Who put it in, and owns the assistant or the thread.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="documents")
    name = models.CharField(max_length=MAX_NAME)
    media_type = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=DocumentStatus.choices, default=DocumentStatus.PENDING)
    # Pieces that are stored, of how many; 0 of 0 until the file has been read.
    chunks_done = models.PositiveIntegerField(default=0)
    chunk_count = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    # Which model the vectors are of; empty where there are none.
    embedding_model = models.CharField(max_length=255, blank=True)
    embedding_dimension = models.PositiveIntegerField(default=0)
    # Names the vectors that count. New ones are made beside it, and take its place at once when they are whole.
    vector_set = models.BigIntegerField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=255, blank=True)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(assistant__isnull=False, thread__isnull=True)
                | Q(assistant__isnull=True, thread__isnull=False),
                name="document_one_namespace",
            ),
            models.CheckConstraint(condition=Q(status__in=DocumentStatus.values), name="document_status_known"),
            models.UniqueConstraint(
                fields=["assistant", "sha256"], condition=Q(assistant__isnull=False), name="document_once_per_assistant"
            ),
            models.UniqueConstraint(
                fields=["thread", "sha256"], condition=Q(thread__isnull=False), name="document_once_per_thread"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="document_owner_newest"),
            models.Index(
                fields=["status", "created_at"],
                name="document_unfinished",
                condition=Q(status__in=["pending", "processing"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def namespace(self) -> uuid.UUID:
        """The id of the assistant or the thread that knows it."""
        namespace = self.assistant_id or self.thread_id
        assert namespace is not None
        return namespace

    @property
    def progress(self) -> int:
        """Percent. 100 is said of what is ready, and of nothing else."""
        if self.status == DocumentStatus.READY:
            return 100
        return min(99, 100 * self.chunks_done // self.chunk_count) if self.chunk_count else 0


class DocumentContent(models.Model):
    """A piece of the bytes of a document that is not ready: any process can take it up, and a failed one can be tried
    again. An empty file has none.

    In pieces, because a connection keeps as much memory as its largest value took: for good, and several times over.
    """

    # No index of its own: the unique constraint begins with it.
    document = models.ForeignKey(Document, models.DO_NOTHING, related_name="content", db_index=False)
    position = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "position"], name="content_position_unique")]


class Chunk(models.Model):
    """One piece of a document. `knowledge.schema` has the index over its words.

    The database deletes it with its document, the vectors and the index included: there may be many thousands.
    """

    # Not the UUID: SQLite's index over the words wants a number that stays.
    id = models.BigAutoField(primary_key=True)
    # What clients know it by. Nothing looks it up, so no index.
    uuid = models.UUIDField(default=uuid.uuid4, editable=False)
    # No index of its own: the unique constraint begins with it.
    document = models.ForeignKey(Document, models.DO_NOTHING, related_name="chunks", db_index=False)
    position = models.PositiveIntegerField()
    text = models.TextField()
    page = models.PositiveIntegerField(null=True)
    section = models.TextField(blank=True)

    class Meta:
        ordering = ["document", "position"]
        constraints = [models.UniqueConstraint(fields=["document", "position"], name="chunk_position_unique")]

    def __str__(self) -> str:
        return f"{self.document_id} {self.position}"


class Embedding(models.Model):
    """A chunk's vector, of length 1. In a table of its own: narrow rows make the scan quick that searches them."""

    chunk = models.ForeignKey(Chunk, models.DO_NOTHING, related_name="embeddings")
    vector_set = models.BigIntegerField()
    vector = VectorField()

    class Meta:
        indexes = [models.Index(fields=["vector_set"], name="embedding_vector_set")]
