from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.staff import AuditedDeletion
from knowledge.embedding_model import embedding_model
from knowledge.intake import retry_document
from knowledge.models import Document, DocumentStatus
from knowledge.worker import worker
from opengpts.admin import ReadOnlyAdmin

CHUNKS_SHOWN = 20


@admin.register(Document)
class DocumentAdmin(AuditedDeletion, ReadOnlyAdmin):
    """The files that assistants and threads know: to be looked at, deleted, and tried again where they failed."""

    # What matters most comes first: a phone shows no more.
    list_display = ["name", "status", "error", "where", "owner", "file_size", "chunk_count", "vectors", "created_at"]
    list_filter = ["status", "media_type", "embedding_model", "created_at"]
    search_fields = ["id", "name", "owner__username", "assistant__id", "assistant__name", "thread__id", "thread__name"]
    search_help_text = "A document's id or name, its user, or its assistant or thread."
    date_hierarchy = "created_at"
    list_select_related = ["owner", "assistant", "thread"]
    fields = [
        "id",
        "name",
        "where",
        "owner",
        "media_type",
        "file_size",
        "sha256",
        "status",
        "progress",
        "error_code",
        "error_message",
        "chunk_count",
        "vectors",
        "attempts",
        "created_at",
        "finished_at",
        "first_chunks",
    ]
    actions = ["try_again"]
    list_per_page = 50
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("knowledge.delete_document"))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Who may call `try_again`: those who may change documents, though nobody changes one by hand."""
        return bool(request.user.has_perm("knowledge.change_document"))

    @admin.action(description="Try the failed ones again", permissions=["retry"])
    def try_again(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        again = sum(retry_document(document=document) for document in documents.filter(status=DocumentStatus.FAILED))
        worker.wake()
        self.message_user(
            request, f"{again} documents are read again.", messages.SUCCESS if again else messages.WARNING
        )

    @admin.display(description="known to")
    def where(self, document: Document) -> SafeString:
        found = document.assistant or document.thread
        assert found is not None
        kind = found._meta.model_name
        address = reverse(f"admin:{found._meta.app_label}_{kind}_change", args=[found.pk])
        return format_html('{} <a href="{}">{}</a>', kind, address, found)

    @admin.display(description="size", ordering="size")
    def file_size(self, document: Document) -> str:
        return filesizeformat(document.size)

    @admin.display(description="error", ordering="error_code")
    def error(self, document: Document) -> SafeString | str:
        if not document.error_code:
            return "-"
        return format_html('<span title="{}">{}</span>', document.error_message, document.error_code)

    @admin.display(description="vectors", ordering="embedding_model")
    def vectors(self, document: Document) -> str:
        if document.status != DocumentStatus.READY:
            return "-"
        if document.embedding_model == embedding_model():
            return document.embedding_model or "none wanted"
        return f"{document.embedding_model or 'none'}: waits for manage.py reembed"

    @admin.display(description="chunks")
    def first_chunks(self, document: Document) -> SafeString | str:
        chunks = document.chunks.order_by("position")[:CHUNKS_SHOWN]
        if not chunks:
            return "None yet."
        rows = format_html_join(
            "",
            '<li><small>{}</small><div class="text">{}</div></li>',
            ((_place(chunk.page, chunk.section), chunk.text) for chunk in chunks),
        )
        more = document.chunk_count - len(chunks)
        rest = f"and {more} more" if more > 0 else ""
        return format_html('<ol class="said numbered">{}</ol>{}', rows, rest)


def _place(page: int | None, section: str) -> str:
    return ", ".join([*([f"page {page}"] if page is not None else []), *([section] if section else [])])
