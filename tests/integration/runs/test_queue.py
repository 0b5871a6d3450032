"""The queue of runs: one at a time in a thread, in order, and nothing lost with a process."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from opengpts.errors import OpenGPTsError
from opengpts.worker import is_dead, worker_id
from runs.claiming import claim_run, find_stopped, keep_alive, recover_lost_runs
from runs.ending import finish_run, requeue_run
from runs.errors import MAX_ATTEMPTS
from runs.models import Run, RunStatus
from tests.client import APIClient
from threads.state import read_state

pytestmark = pytest.mark.django_db

DEAD = f"{worker_id().rpartition(':')[0]}:another-life"
ELSEWHERE = "another-host:1:token"


def post_run(thread: str, content: str = "hi", **body: Any) -> Run:
    answer = APIClient("alice")(
        "POST", "/runs", {"thread_id": thread, "input": [{"role": "user", "content": content}], **body}
    )
    return Run.objects.get(pk=answer.json()["run_id"])


@pytest.fixture
def thread() -> str:
    return APIClient("alice").make_thread()


def test_runs_of_a_thread_go_one_after_the_other_in_order(thread: str) -> None:
    first, second = post_run(thread), post_run(thread)
    other = post_run(APIClient("alice").make_thread())
    claimed = claim_run()
    assert claimed
    assert claimed == first
    assert claim_run() == other
    assert claim_run() is None
    assert finish_run(run=claimed, status=RunStatus.SUCCESS)
    assert claim_run() == second


@pytest.mark.parametrize("worker", [DEAD, ELSEWHERE], ids=["dead", "elsewhere"])
def test_a_run_waits_for_an_older_one_of_another_process(thread: str, worker: str) -> None:
    first, second = post_run(thread), post_run(thread)
    Run.objects.filter(pk=first.pk).update(worker=worker)
    assert claim_run() is None
    first.delete()
    assert claim_run() == second


def test_a_run_that_was_taken_over_meanwhile_is_not_claimed(thread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = post_run(thread)
    found = [(run.pk, run.thread_id)]

    def taken(*_: Any) -> Any:
        Run.objects.update(worker=ELSEWHERE)
        return found

    monkeypatch.setattr("runs.claiming.fetch", taken)
    assert claim_run() is None
    run.refresh_from_db()
    assert (run.status, run.worker) == (RunStatus.PENDING, ELSEWHERE)


def test_what_runs_here_is_not_taken_over_from_itself(thread: str) -> None:
    run = post_run(thread)
    assert claim_run() == run
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert recover_lost_runs(running=[run.pk]) == 0
    assert recover_lost_runs() == 1


def test_the_database_itself_allows_a_thread_one_running_run(thread: str) -> None:
    first, second = post_run(thread), post_run(thread)
    assert claim_run() == first
    with pytest.raises(IntegrityError):
        Run.objects.filter(pk=second.pk).update(status=RunStatus.RUNNING)


def test_a_run_ends_once(thread: str) -> None:
    run = post_run(thread)
    assert not finish_run(run=run, status=RunStatus.SUCCESS)
    claimed = claim_run()
    assert claimed
    error = OpenGPTsError("No.", code="model_failed")
    assert finish_run(run=claimed, status=RunStatus.ERROR, error=error)
    assert not finish_run(run=claimed, status=RunStatus.SUCCESS)
    assert not requeue_run(run=claimed)
    shown = APIClient("alice")("GET", f"/runs/{run.pk}").json()
    assert shown["status"] == "error"
    assert shown["error"] == {"code": "model_failed", "message": "No."}
    assert shown["started_at"] <= shown["finished_at"]


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.RUNNING])
def test_the_runs_of_a_dead_process_are_taken_over(thread: str, status: RunStatus) -> None:
    run = post_run(thread)
    Run.objects.filter(pk=run.pk).update(worker=DEAD, status=status)
    assert claim_run() is None
    assert recover_lost_runs() == 1
    assert claim_run() == run


def test_the_runs_of_a_living_process_are_let_alone_until_it_falls_silent(thread: str) -> None:
    run = post_run(thread)
    Run.objects.filter(pk=run.pk).update(worker=ELSEWHERE)
    assert recover_lost_runs() == 0
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert recover_lost_runs() == 1
    assert claim_run() == run


def test_a_heartbeat_covers_what_runs_here_and_what_waits_for_it(thread: str) -> None:
    running, waiting = post_run(thread), post_run(thread)
    stray = post_run(APIClient("alice").make_thread())
    assert {claim_run(), claim_run()} == {running, stray}
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    keep_alive(running=[running.pk])
    assert recover_lost_runs() == 1
    stray.refresh_from_db()
    assert stray.status == RunStatus.PENDING
    assert Run.objects.get(pk=running.pk).status == RunStatus.RUNNING
    assert Run.objects.get(pk=waiting.pk).worker == worker_id()


def test_a_run_that_keeps_killing_its_process_is_given_up(thread: str) -> None:
    run = post_run(thread)
    for _ in range(MAX_ATTEMPTS):
        assert claim_run() == run
        Run.objects.filter(pk=run.pk).update(worker=DEAD)
        assert recover_lost_runs() == 1
    run.refresh_from_db()
    assert run.status == RunStatus.ERROR
    assert run.error_code == "run_lost"
    assert claim_run() is None
    # What was said stays said.
    assert [json.loads(text)["content"] for text in read_state(thread=run.thread).messages] == ["hi"]


def test_runs_that_are_gone_are_noticed(thread: str) -> None:
    run = post_run(thread)
    claim_run()
    assert find_stopped(running=[run.pk]) == set()
    APIClient("alice")("DELETE", f"/threads/{thread}")
    assert find_stopped(running=[run.pk]) == {run.pk}


def test_no_messages_can_be_posted_under_a_running_run(thread: str) -> None:
    alice = APIClient("alice")
    post_run(thread)
    run = claim_run()
    assert run
    body = {"values": [{"role": "user", "content": "x"}]}
    refused = alice("POST", f"/threads/{thread}/state", body)
    assert refused.status_code == 409
    assert alice("GET", f"/threads/{thread}/state").json()["values"] == []
    finish_run(run=run, status=RunStatus.SUCCESS)
    assert alice("POST", f"/threads/{thread}/state", body).status_code == 200


def test_a_client_cannot_name_the_thread_or_user_of_a_run_in_its_config(thread: str) -> None:
    config = {"configurable": {"thread_id": "x", "user_id": "bob", "checkpoint_ns": "y", "type": "chatbot"}}
    assert post_run(thread, config=config).config == {"configurable": {"type": "chatbot"}}


def test_which_processes_are_known_to_be_dead() -> None:
    host, pid, _ = worker_id().split(":")
    assert not is_dead(worker_id())
    assert is_dead(f"{host}:{pid}:another-life")
    assert is_dead(f"{host}:{2**22 - 3}:token")
    assert not is_dead(f"{host}:1:token")
    assert not is_dead(ELSEWHERE)
    assert not is_dead("")
