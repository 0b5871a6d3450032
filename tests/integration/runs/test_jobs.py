"""Runs as jobs of worker processes: no moment at which a process dies leaves a run both lost and silent."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from opengpts.worker import worker_id
from runs import services
from runs.claiming import claim_run
from runs.ending import finish_run, requeue_run
from runs.errors import MAX_ATTEMPTS
from runs.executors.adoption import adopt_runs
from runs.executors.coming_again import ComeAgain, Retry
from runs.executors.jobs import QUEUE, TASK, delete_jobs
from runs.executors.procrastinate import ProcrastinateExecutor
from runs.executors.recovery import recover_runs, say_alive
from runs.executors.turns import SOON, let_go, take_run
from runs.models import Run, RunStatus
from tests.client import APIClient
from threads.models import Thread
from threads.state import read_state

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="jobs are rows of PostgreSQL"),
]

DEAD = f"{worker_id().rpartition(':')[0]}:another-life"
ELSEWHERE = "another-host:1:token"
LONG_AGO = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def hand_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Server processes hand their runs over to workers, of which this process is one."""
    monkeypatch.setattr(services, "executor", ProcrastinateExecutor)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


@pytest.fixture
def thread() -> str:
    return APIClient("alice").make_thread()


def post_run(thread: str, **body: Any) -> Run:
    answer = APIClient("alice")(
        "POST", "/runs", {"thread_id": thread, "input": [{"role": "user", "content": "x"}], **body}
    )
    return Run.objects.get(pk=answer.json()["run_id"])


def jobs() -> list[tuple[str, str, str]]:
    """The run, the lock and the status of each job, in the order in which workers are given them."""
    sql = "SELECT args ->> 'run_id', lock, status::text FROM procrastinate_jobs ORDER BY priority DESC, id"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def fetch(worker: int | None = None) -> uuid.UUID | None:
    """The run of the job that a worker is given."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT args ->> 'run_id' FROM procrastinate_fetch_job_v2(NULL, %s)", [worker])
        row = cursor.fetchone()
    return uuid.UUID(row[0]) if row and row[0] else None


def long_ago(run: Run, **fields: Any) -> None:
    """What happened to the run and its job happened a while ago."""
    Run.objects.filter(pk=run.pk).update(**fields)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '5 minutes'")


def test_a_run_and_its_job_are_saved_together(thread: str) -> None:
    run = post_run(thread)
    assert jobs() == [(str(run.pk), thread, "todo")]
    assert (run.worker, run.heartbeat_at, run.status) == ("", None, RunStatus.PENDING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT queue_name, task_name FROM procrastinate_jobs")
        assert cursor.fetchall() == [(QUEUE, TASK)]


def test_a_transaction_that_is_undone_leaves_neither(thread: str) -> None:
    with transaction.atomic():
        post_run(thread)
        assert len(jobs()) == 1
        transaction.set_rollback(True)
    assert jobs() == []
    assert not Run.objects.exists()


def test_a_run_that_is_refused_has_no_job(thread: str, settings: Any) -> None:
    settings.RUNS_QUEUED_PER_USER = 1
    post_run(thread)
    body = {"thread_id": thread, "input": [{"role": "user", "content": "x"}]}
    assert APIClient("alice")("POST", "/runs", body).status_code == 429
    assert len(jobs()) == 1


def test_the_jobs_of_a_thread_go_one_after_the_other(thread: str) -> None:
    first, second = post_run(thread), post_run(thread)
    other = post_run(APIClient("alice").make_thread())
    assert [fetch(), fetch(), fetch()] == [first.pk, other.pk, None]
    taken = take_run(first.pk)
    assert isinstance(taken, Run)
    assert (taken.attempts, taken.worker) == (1, worker_id())
    assert finish_run(run=taken, status=RunStatus.SUCCESS)
    assert let_go(first.pk) is None
    delete_jobs(first.pk)
    assert fetch() == second.pk


def test_server_processes_do_not_touch_the_runs_of_workers(thread: str) -> None:
    post_run(thread)
    assert claim_run() is None


def test_a_run_whose_clock_was_wrong_has_its_turn_when_its_job_has(thread: str) -> None:
    first, second = post_run(thread), post_run(thread)
    Run.objects.filter(pk=second.pk).update(created_at=timezone.now() - LONG_AGO)
    assert fetch() == first.pk
    assert isinstance(take_run(first.pk), Run)


def test_a_run_waits_for_room_among_those_of_its_owner(thread: str, settings: Any) -> None:
    settings.RUNS_AT_ONCE_PER_USER = 1
    first, second = post_run(thread), post_run(APIClient("alice").make_thread())
    taken = take_run(first.pk)
    assert isinstance(taken, Run)
    assert take_run(second.pk) == SOON
    assert finish_run(run=taken, status=RunStatus.SUCCESS)
    assert isinstance(take_run(second.pk), Run)


def test_many_that_wait_for_room_ask_seldom(settings: Any) -> None:
    settings.RUNS_AT_ONCE_PER_USER = 0
    alice = APIClient("alice")
    assistant = alice.make_assistant()
    runs = [post_run(alice.make_thread(assistant)) for _ in range(100)]
    assert take_run(runs[-1].pk) == 2.0


def test_the_job_of_a_run_that_was_cancelled_has_nothing_to_do(thread: str) -> None:
    run = post_run(thread)
    assert APIClient("alice")("POST", f"/runs/{run.pk}/cancel").json()["status"] == "cancelled"
    assert fetch() == run.pk
    assert take_run(run.pk) is None


def test_nor_has_that_of_a_thread_that_was_deleted(thread: str) -> None:
    run = post_run(thread)
    APIClient("alice")("DELETE", f"/threads/{thread}")
    assert fetch() == run.pk
    assert take_run(run.pk) is None


def test_a_run_that_goes_on_elsewhere_is_let_alone(thread: str, settings: Any) -> None:
    run = post_run(thread)
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, worker=ELSEWHERE, heartbeat_at=now)
    assert take_run(run.pk) == settings.RUN_HEARTBEAT
    assert recover_runs(running=[]) == []
    run.refresh_from_db()
    assert (run.status, run.worker) == (RunStatus.RUNNING, ELSEWHERE)


def test_a_run_that_was_broken_off_waits_for_any_worker(thread: str) -> None:
    run = post_run(thread)
    fetch()
    taken = take_run(run.pk)
    assert isinstance(taken, Run)
    assert requeue_run(run=taken)
    assert let_go(run.pk) == 0
    run.refresh_from_db()
    assert (run.status, run.worker) == (RunStatus.PENDING, "")
    again = take_run(run.pk)
    assert isinstance(again, Run)
    assert again.attempts == 2


@pytest.mark.parametrize("worker", [DEAD, ELSEWHERE], ids=["dead", "silent"])
def test_whoever_dies_while_doing_a_run_is_noticed(thread: str, worker: str) -> None:
    run, next_one = post_run(thread), post_run(thread)
    fetch()
    assert isinstance(take_run(run.pk), Run)
    heard = timezone.now() if worker == DEAD else timezone.now() - LONG_AGO
    Run.objects.filter(pk=run.pk).update(worker=worker, heartbeat_at=heard)
    assert recover_runs(running=[]) == []
    assert jobs() == [(str(run.pk), thread, "todo"), (str(next_one.pk), thread, "todo")], "it has kept its place"
    assert fetch() == run.pk
    again = take_run(run.pk)
    assert isinstance(again, Run)
    assert again.attempts == 2


def test_what_goes_on_here_is_not_lost(thread: str) -> None:
    run = post_run(thread)
    fetch()
    assert isinstance(take_run(run.pk), Run)
    long_ago(run, heartbeat_at=timezone.now() - LONG_AGO)
    recover_runs(running=[run.pk])
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    say_alive(running=[run.pk])
    recover_runs(running=[])
    assert jobs() == [(str(run.pk), thread, "doing")]


@pytest.mark.parametrize("silent", [True, False])
def test_whoever_dies_before_it_takes_the_run_is_noticed(thread: str, silent: bool) -> None:
    run = post_run(thread)
    fetch()
    if silent:
        long_ago(run)
    recover_runs(running=[])
    assert jobs() == [(str(run.pk), thread, "todo" if silent else "doing")]


@pytest.mark.parametrize("worker", [DEAD, ELSEWHERE], ids=["dead", "silent"])
def test_whoever_dies_before_it_puts_the_job_back_is_noticed(thread: str, worker: str) -> None:
    run = post_run(thread)
    fetch()
    taken = take_run(run.pk)
    assert isinstance(taken, Run)
    requeue_run(run=taken)
    long_ago(run, worker=worker, heartbeat_at=timezone.now() - LONG_AGO)
    recover_runs(running=[])
    assert jobs() == [(str(run.pk), thread, "todo")]
    assert isinstance(take_run(run.pk), Run)


@pytest.mark.parametrize("deleted", [True, False])
def test_whoever_dies_before_it_ends_the_job_keeps_nobody_waiting(thread: str, deleted: bool) -> None:
    run, next_one = post_run(thread), post_run(thread)
    fetch()
    taken = take_run(run.pk)
    assert isinstance(taken, Run)
    finish_run(run=taken, status=RunStatus.SUCCESS)
    if deleted:
        run.delete()
    assert fetch() is None
    long_ago(next_one)
    recover_runs(running=[])
    assert fetch() == next_one.pk


def test_a_run_without_a_job_is_given_one(thread: str) -> None:
    run = post_run(thread)
    delete_jobs(run.pk)
    recover_runs(running=[])
    recover_runs(running=[])
    assert jobs() == [(str(run.pk), thread, "todo")]


def test_a_run_that_keeps_killing_its_workers_is_given_up(thread: str) -> None:
    run, next_one = post_run(thread), post_run(thread)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert fetch() == run.pk
        taken = take_run(run.pk)
        assert isinstance(taken, Run)
        assert taken.attempts == attempt
        Run.objects.filter(pk=run.pk).update(worker=DEAD)
        given_up = recover_runs(running=[])
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.ERROR, "run_lost")
    assert [(lost.run_id, str(lost.thread_id)) for lost in given_up] == [(run.pk, thread)]
    assert Thread.objects.get(pk=thread).event_seq == given_up[0].floor + 1
    assert fetch() == next_one.pk


def test_what_was_said_stays_said_where_the_run_is_given_up(thread: str) -> None:
    run = post_run(thread)
    for _ in range(MAX_ATTEMPTS):
        assert isinstance(take_run(run.pk), Run)
        Run.objects.filter(pk=run.pk).update(worker=DEAD)
        recover_runs(running=[])
    run.refresh_from_db()
    assert run.error_code == "run_lost"
    assert [json.loads(text)["type"] for text in read_state(thread=run.thread).messages] == ["human"]


def test_workers_take_over_what_server_processes_left(thread: str) -> None:
    run = post_run(thread)
    delete_jobs(run.pk)
    Run.objects.filter(pk=run.pk).update(worker=ELSEWHERE, heartbeat_at=timezone.now())
    recover_runs(running=[])
    assert jobs() == [], "its process lives"
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - LONG_AGO)
    recover_runs(running=[])
    assert jobs() == [(str(run.pk), thread, "todo")]


def test_server_processes_take_over_what_workers_left(thread: str) -> None:
    run = post_run(thread)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert adopt_runs() == 0, "there is a worker"
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '5 minutes'")
        assert adopt_runs() == 1
        cursor.execute("DELETE FROM procrastinate_workers")
    assert jobs() == []
    assert claim_run() == run


async def test_a_worker_that_is_none_of_ours_gives_the_job_back(settings: Any) -> None:
    job = Job(id=1, queue=QUEUE, lock=None, queueing_lock=None, task_name=TASK)
    context = JobContext(app=app, job=job, start_timestamp=0.0, abort_reason=lambda: None)
    with pytest.raises(ComeAgain, match=r"manage\.py worker") as given_back:
        await app.tasks[TASK](context, run_id=str(uuid.uuid4()))
    decision = Retry().get_retry_decision(exception=given_back.value, job=job)
    assert decision.retry_at is not None
    assert decision.retry_at > timezone.now() + timedelta(seconds=settings.RUN_HEARTBEAT / 2)
