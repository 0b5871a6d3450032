"""Schedules on the real server: what is due is run, once, whatever processes look at the clock and whichever die."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.schedules import make_due
from tests.databases import new_database
from tests.live_client import RUN_TIMEOUT, LiveClient
from tests.live_server import ROOT, LiveServer
from tests.services import FakeOpenAI
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

# Run in a process of its own, as `manage.py shell` does.
TICK = """
from django.utils import timezone
from schedules.due import run_due_schedules
print(run_due_schedules(now=timezone.now()))
"""
# Hangs when the first run is there and the schedule has not been moved on.
TICK_HALF = """
import time
from django.utils import timezone
from schedules import due
create_run = due.create_run
def hang(**given):
    print(create_run(**given).pk, flush=True)
    time.sleep(600)
due.create_run = hang
due.run_due_schedules(now=timezone.now())
"""


@pytest.fixture(scope="module")
def live(_openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """One server for these tests. Each leaves it running."""
    with (
        new_database() as url,
        LiveServer(url, SCHEDULE_TICK="0.2", RUN_HEARTBEAT="1", **_openai_server.settings) as server,
    ):
        yield server


@pytest.fixture
def client(live: LiveServer) -> LiveClient:
    return LiveClient(live.url)


@pytest.fixture
def schedule(client: LiveClient) -> Iterator[dict[str, Any]]:
    """A schedule that is due only when it is made so."""
    hello = [{"type": "human", "content": "hello"}]
    made = client.post("/schedules", {"thread_id": client.make_thread(), "cron": "0 0 1 * *", "input": hello})
    yield made
    client("DELETE", f"/schedules/{made['schedule_id']}")


def wait_for_run(client: LiveClient, schedule: dict[str, Any], *, after: str | None = None) -> dict[str, Any]:
    """The run that the schedule began after that run, when it has ended."""

    def newest() -> str | None:
        run_id: str | None = client.get(f"/schedules/{schedule['schedule_id']}")["last_run_id"]
        return run_id if run_id != after else None

    return client.wait_for_run(wait_until(newest))


def turns(count: int) -> list[tuple[str, str]]:
    return [("human", "hello"), ("ai", "Echo: hello")] * count


def test_what_is_due_is_run(live: LiveServer, client: LiveClient, schedule: dict[str, Any]) -> None:
    last = None
    for count in (1, 2):
        make_due(live)
        run = wait_for_run(client, schedule, after=last)
        assert run["status"] == "success"
        assert client.said(schedule["thread_id"]) == turns(count)
        last = run["run_id"]
    shown = client.get(f"/schedules/{schedule['schedule_id']}")
    assert (shown["next_at"], shown["last_error"]) == (schedule["next_at"], None)


def test_what_became_due_while_no_server_ran_is_run_once(
    live: LiveServer, client: LiveClient, schedule: dict[str, Any]
) -> None:
    live.terminate()
    make_due(live)
    live.restart()
    assert wait_for_run(client, schedule)["status"] == "success"
    assert client.said(schedule["thread_id"]) == turns(1)


def test_processes_that_look_at_once_run_it_once(
    live: LiveServer, client: LiveClient, schedule: dict[str, Any]
) -> None:
    live.terminate()
    make_due(live)
    looking = [start(live, TICK) for _ in range(3)]
    moved = [process.communicate(timeout=RUN_TIMEOUT) for process in looking]
    assert sorted(out.strip() for out, _ in moved) == ["0", "0", "1"], moved
    live.restart()
    assert wait_for_run(client, schedule)["status"] == "success"
    assert client.said(schedule["thread_id"]) == turns(1)


def test_a_process_that_dies_between_leaves_it_to_the_next(
    live: LiveServer, client: LiveClient, schedule: dict[str, Any]
) -> None:
    live.terminate()
    make_due(live)
    dying = start(live, TICK_HALF)
    assert dying.stdout is not None
    run_id = dying.stdout.readline().strip()
    dying.kill()
    _, complaints = dying.communicate(timeout=RUN_TIMEOUT)
    assert run_id, complaints
    live.restart()
    run = wait_for_run(client, schedule)
    assert run["status"] == "success"
    assert run["run_id"] != run_id
    assert client("GET", f"/runs/{run_id}").status_code == 404
    assert client.said(schedule["thread_id"]) == turns(1)


def start(live: LiveServer, code: str) -> "subprocess.Popen[str]":
    """Run `code` in a process with the server's settings."""
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=live.environment, stdout=pipe, stderr=pipe, text=True)
