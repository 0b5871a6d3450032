"""Whether it is the turn of the run whose job a worker process has, and what becomes of the job afterwards."""

import uuid

from django.conf import settings

from opengpts.worker import worker_id
from runs.claiming import claim_by_job, read_claimed
from runs.models import UNFINISHED, Run, RunStatus

# Seconds until a run is looked at again that could not go on: its owner has as many as they may going on, say.
SOON = 1.0
# So many of one owner's waiting runs are looked at in a second, at most.
LOOKS = 50


def take_run(run_id: uuid.UUID) -> Run | float | None:
    """Mark the run of a job running, and return it.

    Where it cannot go on yet, the seconds after which its job should ask again; None where its job has nothing to do:
    the run has ended, or is gone. The job's lock says that it is the turn of the run among those of its thread.
    """
    thread_id = Run.objects.filter(pk=run_id, status__in=UNFINISHED).values_list("thread_id", flat=True).first()
    if thread_id is None:
        return None
    if claim_by_job(run_id, thread_id) and (run := read_claimed(run_id)) is not None:
        return run
    left = Run.objects.filter(pk=run_id, status__in=UNFINISHED).only("status", "worker", "owner_id").first()
    if left is None:
        return None
    if left.status == RunStatus.RUNNING or left.worker:
        # Another process has it. Should that have died, the run is taken back from it before long.
        return float(settings.RUN_HEARTBEAT)
    return max(SOON, Run.objects.filter(status=RunStatus.PENDING, owner=left.owner_id).count() / LOOKS)


def let_go(run_id: uuid.UUID) -> float | None:
    """Say what becomes of the job of a run that this process has done, as `take_run` does.

    A run that waits again, because it was broken off, waits for any worker.
    """
    if Run.objects.filter(pk=run_id, status=RunStatus.PENDING, worker__in=["", worker_id()]).update(worker=""):
        return 0.0
    return float(settings.RUN_HEARTBEAT) if Run.objects.unfinished().filter(pk=run_id).exists() else None
