"""The jobs that bring runs to worker processes: rows of Procrastinate's table, written by Django's connection.

A run has one job, from the moment it is asked for until it has ended. What a run is about and how far it is stands in
its own row; the job says only whose turn it is. The jobs of a thread share a lock, so they go one after the other, in
the order in which they were made.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

QUEUE = "runs"
# The name of the task, which jobs in the table carry: it outlives the code that is there now.
TASK = "runs.do_run"
# Rows that are looked at in one go.
BATCH = 500

# As long as a job waits or is being done it is of these.
_ALIVE = "status IN ('todo', 'doing')"
_DELETE = f"DELETE FROM procrastinate_jobs WHERE queueing_lock = %s AND {_ALIVE} RETURNING priority"  # nosec B608  # names of ours; values are parameters
_DELETE_WAITING = (
    f"DELETE FROM procrastinate_jobs WHERE task_name = '{TASK}' AND status = 'todo'"  # nosec B608  # names of ours; values are parameters
    " AND lock = ANY(%s) RETURNING id"
)
_WITHOUT_JOB = f"""
SELECT run.id FROM runs_run run
WHERE run.status = 'pending' AND run.worker = '' AND NOT EXISTS (
    SELECT FROM procrastinate_jobs WHERE queueing_lock = run.id::text AND {_ALIVE}
) ORDER BY run.created_at, run.id LIMIT {BATCH}
"""  # nosec B608  # names of ours; values are parameters
# A run that goes on is watched by its own heartbeat. What is left of a job that somebody has taken: the run waits,
# because who took the job never came to take the run, or never came to put the job back; or the run has ended, or is
# gone, and who did it never came to say so.
_LEFT_BEHIND = f"""
SELECT (job.args ->> 'run_id')::uuid FROM procrastinate_jobs job
LEFT JOIN runs_run run ON run.id = (job.args ->> 'run_id')::uuid
WHERE job.task_name = '{TASK}' AND job.status = 'doing' AND run.status IS DISTINCT FROM 'running' AND NOT EXISTS (
    SELECT FROM procrastinate_events event
    WHERE event.job_id = job.id AND event.type = 'started' AND event.at > now() - %s::interval
) LIMIT {BATCH}
"""  # nosec B608  # names of ours; values are parameters


def defer_job(run_id: uuid.UUID, thread_id: uuid.UUID, *, priority: int = 0) -> None:
    """Make the job of a run that has none, in the transaction of the caller."""
    # With a connector of its own: in a worker process the app's is another, with a connection and transactions of its
    # own.
    JobManager(DjangoConnector()).defer_job(
        Job(
            queue=QUEUE,
            task_name=TASK,
            task_kwargs={"run_id": str(run_id)},
            lock=str(thread_id),
            # By which the job of a run is found, and which lets none wait twice.
            queueing_lock=str(run_id),
            priority=priority,
        )
    )


def delete_jobs(run_id: uuid.UUID) -> int | None:
    """Delete the job of a run, whoever has it. Returns the priority it had; None where there was none.

    Whoever was doing it does not mind that it is gone (see `PatientConnector`).
    """
    return max((priority for (priority,) in _fetch(_DELETE, [str(run_id)])), default=None)


def delete_waiting_jobs(thread_ids: Sequence[uuid.UUID]) -> None:
    """Delete the jobs of these threads that no worker has taken: their runs are being deleted."""
    _fetch(_DELETE_WAITING, [list(map(str, thread_ids))])


def replace_job(run_id: uuid.UUID, thread_id: uuid.UUID) -> None:
    """Have a run done that somebody had and let go of: before the others of its thread, as it was before.

    In the transaction of the caller, who has locked the thread. A new job, because workers are woken by new ones, and
    so that whoever had the old one cannot end it any more.
    """
    priority = delete_jobs(run_id)
    defer_job(run_id, thread_id, priority=0 if priority is None else priority + 1)


def runs_without_job() -> Sequence[uuid.UUID]:
    """The oldest runs that wait for workers and that no job will bring to one. There should be none."""
    return [run_id for (run_id,) in _fetch(_WITHOUT_JOB, [])]


def runs_left_behind() -> Sequence[uuid.UUID]:
    """The runs whose jobs were taken at least RUN_LOST_AFTER seconds ago by processes that have not ended them."""
    return [run_id for (run_id,) in _fetch(_LEFT_BEHIND, [f"{settings.RUN_LOST_AFTER} seconds"])]


def _fetch(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
