"""What becomes of runs that wait for worker processes where there are none any more: RUN_EXECUTOR was changed."""

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from opengpts.worker import worker_id
from runs.models import Run, RunStatus

_ANY_WORKER = "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - %s::interval)"
_DELETE_JOBS = "DELETE FROM procrastinate_jobs WHERE queueing_lock = ANY(%s) AND status IN ('todo', 'doing')"


def adopt_runs() -> int:
    """Have this process do the runs that wait for workers, if no worker was heard of for RUN_LOST_AFTER seconds.

    Returns how many those are. What workers had begun is taken over as from any process that died.
    """
    waiting = Run.objects.filter(status=RunStatus.PENDING, worker="")
    if not apps.is_installed("procrastinate.contrib.django") or not waiting.exists():
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ANY_WORKER, [f"{settings.RUN_LOST_AFTER} seconds"])
        if cursor.fetchone() != (False,):
            return 0
        run_ids = list(waiting.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
        Run.objects.filter(pk__in=run_ids).update(worker=worker_id(), heartbeat_at=timezone.now())
        cursor.execute(_DELETE_JOBS, [[str(run_id) for run_id in run_ids]])
    return len(run_ids)
