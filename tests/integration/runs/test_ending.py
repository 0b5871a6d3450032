"""How a stream ends when the run's own events do not reach it."""

import json

import pytest

from opengpts.errors import OpenGPTsError
from runs.claiming import claim_run
from runs.ending import finish_run
from runs.models import Run, RunStatus
from runs.opengpts_stream import ending_of
from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    alice = APIClient("alice")
    body = {"thread_id": alice.make_thread(), "input": [{"role": "user", "content": "x"}]}
    return Run.objects.get(pk=alice("POST", "/runs", body).json()["run_id"])


def test_not_before_the_run_is_over(run: Run) -> None:
    assert ending_of(run=run, seq=5) == []
    claimed = claim_run()
    assert claimed == run
    assert ending_of(run=run, seq=5) == []
    finish_run(run=claimed, status=RunStatus.SUCCESS)
    assert ending_of(run=run, seq=5) == [b"id: 5\r\nevent: end\r\n\r\n"]


def test_with_the_error(run: Run) -> None:
    claimed = claim_run()
    assert claimed
    finish_run(run=claimed, status=RunStatus.ERROR, error=OpenGPTsError("No.", code="model_failed"))
    said, error, end = ending_of(run=run, seq=5)
    assert [message["content"] for message in json.loads(said.split(b"data: ")[1])["messages"]] == ["x"]
    assert json.loads(error.split(b"data: ")[1]) == {"status_code": 502, "message": "No.", "code": "model_failed"}
    assert end == b"id: 5\r\nevent: end\r\n\r\n"


def test_when_it_was_deleted(run: Run) -> None:
    run.thread.delete()
    assert b"not_found" in ending_of(run=run, seq=5)[0]


def test_what_another_process_took_over_is_not_ended_here(run: Run) -> None:
    claimed = claim_run()
    assert claimed
    Run.objects.update(worker="another-host:1:token")
    assert not finish_run(run=claimed, status=RunStatus.SUCCESS)
    assert Run.objects.get().status == RunStatus.RUNNING
