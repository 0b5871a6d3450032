"""The admin of documents: what staff see, and the failed that they have tried again."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from assistants.models import Assistant
from knowledge.models import Chunk, Document, DocumentStatus
from tests.integration.admin.test_pages import HOSTILE, page, staff

__all__ = ["staff"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(django_user_model: Any) -> Document:
    """One that is ready, with hostile chunks, among others that have failed."""
    alice = django_user_model.objects.create(username="alice")
    assistant = Assistant.objects.create(owner=alice, name="Librarian")
    common = {"assistant": assistant, "owner": alice, "size": 10}
    for number in range(30):
        Document.objects.create(
            **common, name=f"{number}.pdf", sha256=str(number), status=DocumentStatus.FAILED,
            error_code="unreadable_document", error_message="It is encrypted.",
        )  # fmt: skip
    document = Document.objects.create(
        **common, name=HOSTILE, sha256="x", status=DocumentStatus.READY, chunk_count=25,
        embedding_model="wordllama:l2_supercat_256",
    )  # fmt: skip
    Chunk.objects.bulk_create(
        Chunk(document=document, position=place, text=f"{HOSTILE} number {place}", page=place) for place in range(25)
    )
    return document


def test_the_list_shows_where_a_document_is_and_why_it_failed(staff: Client, document: Document) -> None:
    content = page(staff, "/admin/knowledge/document/")
    assert '<span title="It is encrypted.">unreadable_document</span>' in content
    assert "10\xa0bytes" in content
    assert content.index("column-status") < content.index("column-error") < content.index("column-where")
    assert f"/admin/assistants/assistant/{document.assistant_id}/change/" in content
    assert HOSTILE not in content
    assert "30.pdf" not in page(staff, "/admin/knowledge/document/?q=librarian&status__exact=ready")


def test_the_page_shows_the_first_chunks(staff: Client, document: Document) -> None:
    content = page(staff, f"/admin/knowledge/document/{document.pk}/change/")
    assert "page 19" in content
    assert "page 20" not in content
    assert "and 5 more" in content
    assert HOSTILE not in content


def test_vectors_of_another_model_are_pointed_out(staff: Client, document: Document, settings: Settings) -> None:
    assert "waits for" not in page(staff, f"/admin/knowledge/document/{document.pk}/change/")
    settings.EMBEDDINGS = "openai:text-embedding-3-small"
    assert "waits for manage.py reembed" in page(staff, f"/admin/knowledge/document/{document.pk}/change/")


def test_failed_documents_are_tried_again(staff: Client, document: Document) -> None:
    chosen = [str(pk) for pk in Document.objects.values_list("pk", flat=True)]
    staff.post("/admin/knowledge/document/", {"action": "try_again", "_selected_action": chosen})
    assert Document.objects.filter(status=DocumentStatus.PENDING, error_code="", attempts=0).count() == 30
    document.refresh_from_db()
    assert document.status == DocumentStatus.READY


def test_a_document_is_deleted_with_its_chunks(staff: Client, document: Document) -> None:
    response = staff.post(f"/admin/knowledge/document/{document.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not Chunk.objects.exists()
