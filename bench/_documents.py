"""Documents for benchmarks. Needs Django to be set up."""

import secrets

from accounts.models import User
from assistants.models import Assistant
from knowledge.ingestion import ingest
from knowledge.intake import Namespace, store_documents
from knowledge.queue import claim_document
from knowledge.uploads import UploadedFile
from opengpts.db import in_database_thread


def new_namespace() -> Namespace:
    """That of a new assistant."""
    owner, _ = User.objects.get_or_create(username="bench")
    return Namespace(owner, assistant_id=Assistant.objects.create(owner=owner).pk)


def store_text(namespace: Namespace, text: str) -> None:
    """Put a text into a namespace, where it waits to be read."""
    file = UploadedFile(f"{secrets.token_hex(4)}.txt")
    file.write(text.encode())
    store_documents(namespace=namespace, files=[file])
    file.close()


async def read_all() -> None:
    """Read every document that waits, one after the other."""
    while document := await in_database_thread(claim_document):
        await ingest(document)
