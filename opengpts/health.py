"""Is the server up, and can it do its work."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from agents.catalogue import resolve
from agents.errors import ModelUnavailable
from opengpts.error_responses import read_only


@read_only
def ok(request: HttpRequest) -> JsonResponse:
    """Liveness: the process answers. Asks nothing of anything else."""
    return JsonResponse({"ok": True})


@read_only
def health(request: HttpRequest) -> JsonResponse:
    """Readiness: 200 when the database answers, 503 when not. Says, too, which model runs that name none will use."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503)
    return JsonResponse({"status": "ok", "model": _default_model()})


def _default_model() -> dict[str, str | None]:
    try:
        return {"label": resolve(None).label, "problem": None}
    except ModelUnavailable as exc:
        return {"label": None, "problem": exc.message}
