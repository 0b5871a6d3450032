"""A run that the database fails goes on when it answers again."""

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from agents.graphs import aclose
from opengpts.db import in_database_thread
from runs import execution
from runs.claiming import EVENT_LEASE, claim_run
from runs.ending import requeue_run
from runs.errors import MAX_ATTEMPTS
from runs.event_log.memory import MemoryEventLog
from runs.execution import execute
from runs.models import Run
from tests.client import APIClient

pytestmark = pytest.mark.django_db(transaction=True)


def fail(*_: Any, **__: Any) -> Any:
    raise OperationalError("the connection is closed")


def start() -> Run | None:
    alice = APIClient("alice")
    body = {"thread_id": alice.make_thread(), "input": [{"role": "user", "content": "hi"}]}
    assert alice("POST", "/runs", body).status_code == 200
    return claim_run()


async def test_it_waits_and_is_tried_again(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.RUN_HEARTBEAT, settings.OPENAI_API_KEY = 0.01, "a-key"
    outage = iter([fail, fail, requeue_run])
    monkeypatch.setattr(execution, "begin", fail)
    monkeypatch.setattr(execution, "requeue_run", lambda **of: next(outage)(**of))
    run = await in_database_thread(start)
    for _ in range(MAX_ATTEMPTS - 1):
        assert run
        log = MemoryEventLog(length=10, ttl=60)
        await asyncio.wait_for(execute(run, log), timeout=30)
        assert await log.last_seq(run.thread_id) == run.thread.event_seq - EVENT_LEASE + 1
        row = await in_database_thread(Run.objects.get)
        assert row.status == "pending"
        outage = iter([requeue_run])
        run = await in_database_thread(claim_run)
    assert run
    await execute(run, MemoryEventLog(length=10, ttl=60))
    row = await in_database_thread(Run.objects.get)
    assert (row.status, row.error_code) == ("error", "internal_error")
    await aclose()
