"""What is done for a user begins with the rows that are theirs to see or to change."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
APPS = ("accounts", "assistants", "threads", "knowledge", "runs", "schedules", "quotas", "personal_data")
# Where a user comes in from outside: by a request, or by the service that was called for it.
MODULES = ("views.py", "*_views.py", "services.py", "intake.py", "cancellation.py", "streaming/*.py")
# How such a query may begin.
SAFE = {"owned_by", "visible_to", "public", "none", "of_others", "create"}
# Those that need not, and why.
OTHERWISE = {
    "accounts/services.py: User.get": "the user who is asking, made a moment ago by another request",
    "knowledge/intake.py: Assistant.filter": "tells why a row could not be written whose assistant was theirs",
    "knowledge/intake.py: Thread.filter": "tells why a row could not be written whose thread was theirs",
    "knowledge/intake.py: Chunk.filter": "the pieces of documents that are theirs",
    "knowledge/intake.py: Document.filter": "the documents of a namespace that is theirs",
    "knowledge/intake.py: Document.in_bulk": "documents that this request has stored",
    "knowledge/intake.py: DocumentContent.filter": "the bytes of a document that is theirs",
    "knowledge/views.py: Document.filter": "the documents of a namespace that is theirs",
    "runs/cancellation.py: Run.filter": "a run that is theirs, and what else goes on in its thread",
    "runs/cancellation.py: Thread.filter": "the thread of a run that is theirs",
    "runs/services.py: Run.unfinished": "the runs of a thread that is theirs",
    "runs/streaming/positions.py: Run.filter": "the runs of a thread that is theirs",
    "runs/streaming/positions.py: Run.unfinished": "the runs of a thread that is theirs",
    "runs/streaming/waiting.py: Run.unfinished": "a run that is theirs",
}


def queries() -> Iterator[str]:
    """The beginning of every query in MODULES: `module: Model.method`."""
    for app in APPS:
        for pattern in MODULES:
            for path in (ROOT / app).glob(pattern):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Attribute) and _is_manager(node.value):
                        yield f"{path.relative_to(ROOT)}: {_model_of(node.value)}.{node.attr}"


def _is_manager(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")


def _model_of(node: ast.AST) -> str:
    assert isinstance(node, ast.Attribute)
    return ast.unparse(node.value)


def test_queries_begin_with_what_is_the_users() -> None:
    found = set(queries())
    assert len(found) > 20
    assert {query for query in found if query.rpartition(".")[2] not in SAFE} == set(OTHERWISE)
