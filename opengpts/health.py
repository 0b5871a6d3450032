"""Is the server up, and can it do its work."""

from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from agents.errors import ModelUnavailable
from agents.language_models.catalogue import resolve
from knowledge.embedding_model import embedding_model, embedding_problem
from knowledge.models import Document
from opengpts.error_responses import read_only


@read_only
def ok(request: HttpRequest) -> JsonResponse:
    """Liveness: the process answers. Asks nothing of anything else."""
    return JsonResponse({"ok": True})


@read_only
def health(request: HttpRequest) -> JsonResponse:
    """Readiness: 200 when the database answers, 503 when not.

    Says, too, which model runs that name none will use, which model makes the vectors of documents, what keeps either
    from it, and how many documents wait for `manage.py reembed` since they have vectors of another.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        model, documents = _default_model(), _documents()
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503)
    return JsonResponse({"status": "ok", "model": model, "documents": documents})


def _documents() -> dict[str, Any]:
    model = embedding_model()
    return {
        "embedding_model": model or None,
        "problem": embedding_problem(),
        "to_reembed": Document.objects.outdated(model).count() if model else 0,
    }


def _default_model() -> dict[str, str | None]:
    try:
        return {"label": resolve(None).label, "problem": None}
    except ModelUnavailable as exc:
        return {"label": None, "problem": exc.message}
