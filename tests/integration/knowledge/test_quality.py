"""That searches find: the questions about the sample documents, asked of the bundled vectors and of the words."""

import pytest

from knowledge.intake import Namespace
from knowledge.models import Document, DocumentStatus
from knowledge.search import Scope
from opengpts.db import in_database_thread
from tests.integration.knowledge.conftest import read_all
from tests.knowledge_samples import measure, questions, store_samples

pytestmark = pytest.mark.django_db(transaction=True)


async def test_questions_find_their_answers(namespace: Namespace) -> None:
    await in_database_thread(store_samples, namespace)
    await read_all()
    documents = [document async for document in Document.objects.all()]
    assert {document.status for document in documents} == {DocumentStatus.READY}
    assert len(documents) >= 12
    assert len(questions()) >= 30
    recall = await measure(Scope(assistant_id=namespace.assistant_id))
    assert recall["both"].at_4 >= 0.9, recall["both"].missed
    assert recall["both"].at_1 >= 0.6
    assert recall["both"].at_4 >= max(recall["words"].at_4, recall["vectors"].at_4) - 0.02, "together they are no worse"
