"""Documents, uploaded and read."""

import pytest

from accounts.models import User
from assistants.models import Assistant
from knowledge.ingestion import ingest
from knowledge.intake import Namespace, assistant_namespace, store_documents
from knowledge.models import Document
from knowledge.queue import claim_document
from knowledge.uploads import UploadedFile
from opengpts.db import in_database_thread


async def read_all() -> None:
    """Read every document that waits, as the worker does."""
    while document := await in_database_thread(claim_document):
        await ingest(document)


@pytest.fixture
def namespace(django_user_model: type[User]) -> Namespace:
    """That of a new assistant of alice's."""
    alice = django_user_model.objects.create(username="alice")
    assistant = Assistant.objects.create(owner=alice, name="Librarian")
    return assistant_namespace(owner=alice, assistant_id=str(assistant.pk))


def store(namespace: Namespace, text: str | bytes, name: str = "a.txt") -> Document:
    """A document of this text, which waits to be read."""
    file = UploadedFile(name)
    try:
        file.write(text.encode() if isinstance(text, str) else text)
        (document,) = store_documents(namespace=namespace, files=[file])
    finally:
        file.close()
    return document
