"""Who looks at the clock: the server itself, or Procrastinate's workers where there are any."""

import asyncio
import importlib.util
import time
from types import ModuleType
from typing import Any

import pytest
from django.db import OperationalError
from procrastinate.contrib.django import DjangoApp, procrastinate_app
from procrastinate.periodic import PeriodicDeferrer
from procrastinate.testing import InMemoryConnector

from opengpts.db import in_database_thread
from runs.models import Run
from schedules import due
from schedules import ticker as module
from schedules.models import Schedule
from schedules.ticker import Ticker
from tests.client import APIClient
from tests.integration.schedules.making import make_due, post_schedule

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT = 30.0  # seconds


def make_due_schedules(count: int) -> list[Schedule]:
    alice = APIClient("alice")
    schedules = [post_schedule(alice, alice.make_thread()) for _ in range(count)]
    make_due(*schedules)
    return schedules


async def wait_for_runs(count: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while await in_database_thread(Run.objects.count) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_server_runs_what_is_due_until_it_stops(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SCHEDULE_TICK = 0.05
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr("schedules.due.BATCH", 2)
    schedules = await in_database_thread(make_due_schedules, 3)
    ticker = Ticker()
    before = asyncio.all_tasks()
    ticker.ensure_started()
    ticker.ensure_started()
    assert len(asyncio.all_tasks() - before) == 1
    try:
        await wait_for_runs(3)
        await in_database_thread(Run.objects.all().delete)
        await in_database_thread(make_due, schedules[0])
        await wait_for_runs(1)
    finally:
        await ticker.stop()
    assert asyncio.all_tasks() == before
    await ticker.stop()


async def test_a_failing_look_does_not_end_the_looking(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SCHEDULE_TICK = 0.05
    look, looks = due.run_due_schedules, 0

    def fail_at_first(**given: Any) -> int:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OperationalError("the database is away")
        return look(**given)

    monkeypatch.setattr(module, "run_due_schedules", fail_at_first)
    await in_database_thread(make_due_schedules, 1)
    ticker = Ticker()
    ticker.ensure_started()
    try:
        await wait_for_runs(1)
    finally:
        await ticker.stop()
    assert "schedules cannot be run; trying again" in caplog.text


async def test_a_server_leaves_it_to_workers_where_there_are_any(settings: Any) -> None:
    settings.RUN_EXECUTOR = "procrastinate"
    before = asyncio.all_tasks()
    ticker = Ticker()
    ticker.ensure_started()
    assert asyncio.all_tasks() == before
    await ticker.stop()


async def test_a_worker_runs_what_is_due(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SCHEDULE_TICK = 15.0
    connector = InMemoryConnector()
    app = DjangoApp(connector=connector)
    monkeypatch.setattr(procrastinate_app, "current_app", app)
    read_tasks()
    await in_database_thread(make_due_schedules, 2)
    deferrer = PeriodicDeferrer(registry=app.periodic_registry)
    (periodic,) = app.periodic_registry.periodic_tasks.values()
    assert periodic.croniter.get_next(float, start_time=1_000_000_000.0) == 1_000_000_005
    assert periodic.croniter.get_next(float) == 1_000_000_020
    async with app.open_async():
        for _ in range(2):  # the second while the first still waits
            await deferrer.defer_jobs([(periodic, int(time.time()))])
        assert len(connector.jobs) == 1
        await app.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False)
    assert [job["status"] for job in connector.jobs.values()] == ["succeeded"]
    assert await in_database_thread(Run.objects.count) == 2


def read_tasks() -> ModuleType:
    """The tasks, registered with the app that is current now."""
    found = importlib.util.find_spec("schedules.tasks")
    assert found is not None
    assert found.loader is not None
    tasks = importlib.util.module_from_spec(found)
    found.loader.exec_module(tasks)
    return tasks
