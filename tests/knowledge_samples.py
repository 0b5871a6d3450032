"""The documents of `tests/samples/knowledge`, with questions about them, and how well a search answers those."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from knowledge.intake import Namespace, store_documents
from knowledge.models import Chunk
from knowledge.search import Scope, find_chunks, question_vector
from knowledge.uploads import UploadedFile
from opengpts.db import in_database_thread

SAMPLES = Path(__file__).parent / "samples" / "knowledge"
_QUESTIONS = SAMPLES / "questions.json"
WAYS = ("words", "vectors", "both")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the file that answers it, and words that stand in the passage that does."""

    question: str
    file: str
    answer: str


def questions() -> list[Question]:
    """All questions."""
    return [Question(**item) for item in json.loads(_QUESTIONS.read_text())]


def store_samples(namespace: Namespace) -> None:
    """Put the documents into a namespace, where they wait to be read."""
    for path in sorted(SAMPLES.iterdir()):
        if path != _QUESTIONS:
            file = UploadedFile(path.name)
            try:
                file.write(path.read_bytes())
                store_documents(namespace=namespace, files=[file])
            finally:
                file.close()


@dataclass(frozen=True, slots=True)
class Recall:
    """Of all questions, the share whose answer came first, and the share whose answer was among the first four."""

    at_1: float
    at_4: float
    missed: list[str]


async def measure(scope: Scope) -> dict[str, Recall]:
    """How well each of `WAYS` answers the questions."""
    answers: dict[str, list[int | None]] = {way: [] for way in WAYS}
    asked = questions()
    for question in asked:
        for way in WAYS:
            answers[way].append(_place(question, await _SEARCH[way](scope, question.question)))
    return {way: _recall(asked, places) for way, places in answers.items()}


def _recall(asked: list[Question], places: list[int | None]) -> Recall:
    first = sum(place == 0 for place in places) / len(asked)
    among = sum(place is not None for place in places) / len(asked)
    return Recall(first, among, [q.question for q, place in zip(asked, places, strict=True) if place is None])


def _place(question: Question, found: list[Chunk]) -> int | None:
    for place, chunk in enumerate(found[:4]):
        if chunk.document.name == question.file and question.answer in " ".join(chunk.text.split()):
            return place
    return None


async def _both(scope: Scope, question: str) -> list[Chunk]:
    vector = await question_vector(question)
    return await in_database_thread(find_chunks, scope=scope, question=question, vector=vector)


async def _words(scope: Scope, question: str) -> list[Chunk]:
    return await in_database_thread(find_chunks, scope=scope, question=question, vector=None)


async def _vectors(scope: Scope, question: str) -> list[Chunk]:
    vector = await question_vector(question)
    return await in_database_thread(find_chunks, scope=scope, question="", vector=vector)


_SEARCH: dict[str, Callable[[Scope, str], Awaitable[list[Chunk]]]] = {
    "words": _words,
    "vectors": _vectors,
    "both": _both,
}
