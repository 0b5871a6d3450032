"""Runs, tokens and cost of a day: what is counted, and when the next run is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from agents.language_models.usage import Spending, Usage
from opengpts.errors import QuotaExceeded
from quotas.allowances import allowance_of
from quotas.models import DailyUse, Quota
from runs import services
from runs.claiming import claim_run, recover_lost_runs
from runs.ending import finish_cancelled_run, finish_run, requeue_run
from runs.models import Run, RunStatus
from runs.schemas import RunBody
from runs.services import create_run
from tests.client import APIClient
from tests.integration.schedules.making import make_due, post_schedule, tick
from threads.models import Thread

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"type": "human", "content": "hello"}]
NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """It is noon, or what stands here instead."""
    now = [NOON]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    return now


def limit(**limits: Any) -> None:
    Quota.objects.create(user=User.objects.get(username="alice"), **limits)


def start(client: APIClient, thread: str | None = None) -> Any:
    return client("POST", "/runs", {"thread_id": thread or client.make_thread(), "input": HELLO})


def claimed(client: APIClient) -> Run:
    assert start(client).status_code == 200
    run = claim_run()
    assert run
    return run


def spending(read: int, written: int, cost: str | None = None) -> Spending:
    return Spending("GPT 4o", Usage(read, written), None if cost is None else Decimal(cost))


def used() -> list[tuple[Any, ...]]:
    rows = DailyUse.objects.order_by("day", "user__username")
    return [*rows.values_list("user__username", "runs", "input_tokens", "output_tokens", "cost")]


def test_the_runs_of_a_day(alice: APIClient, noon: list[datetime]) -> None:
    thread = alice.make_thread()
    limit(runs_per_day=2)
    assert [start(alice, thread).status_code for _ in range(4)] == [200, 200, 429, 429]
    refused = start(alice, thread)
    assert refused.headers["Retry-After"] == str(12 * 3600 + 1)
    assert refused.json() == {
        "detail": "Your quota of runs for today is used up: 2 of 2. It begins anew at 2031-05-18T00:00:00Z."
    }
    assert Run.objects.count() == 2
    assert start(APIClient("bob")).status_code == 200
    noon[0] += timedelta(hours=12)
    assert start(alice, thread).status_code == 200
    assert used() == [("alice", 2, 0, 0, 0), ("bob", 1, 0, 0, 0), ("alice", 1, 0, 0, 0)]


def test_deleting_gives_nothing_back(alice: APIClient) -> None:
    thread = alice.make_thread()
    run = start(alice, thread).json()["run_id"]
    limit(runs_per_day=1)
    alice("POST", f"/runs/{run}/cancel")
    assert alice("DELETE", f"/runs/{run}").status_code == 200
    assert alice("DELETE", f"/threads/{thread}").status_code == 200
    assert not Run.objects.exists()
    assert start(alice).status_code == 429


def test_nothing_is_allowed(alice: APIClient) -> None:
    thread = alice.make_thread()
    limit(runs_per_day=0)
    assert start(alice, thread).status_code == 429
    assert used() == []


def test_what_is_refused_is_not_counted(alice: APIClient, settings: Any) -> None:
    thread = alice.make_thread()
    settings.RUNS_QUEUED_PER_USER = 0
    assert start(alice, thread).status_code == 429
    assert alice("POST", "/runs", {"thread_id": thread, "input": "no message"}).status_code == 422
    settings.RUNS_QUEUED_PER_USER = 10
    no_call_waits = {"thread_id": thread, "command": {"resume": {"decisions": [{"type": "approve"}]}}}
    assert alice("POST", "/runs", no_call_waits).status_code == 409
    assert used() == []


def test_whoever_runs_a_public_assistant_pays(alice: APIClient) -> None:
    assistant = alice.make_assistant(public=True)
    bob = APIClient("bob")
    assert start(bob, bob.make_thread(assistant)).status_code == 200
    assert [row[:2] for row in used()] == [("bob", 1)]


def test_tokens_and_cost_are_counted_once_for_each_attempt(alice: APIClient) -> None:
    run = claimed(alice)
    assert requeue_run(run=run, spent=spending(10, 1, "0.5"))
    assert not requeue_run(run=run, spent=spending(10, 1, "0.5"))
    again = claim_run()
    assert again
    assert finish_run(run=again, status=RunStatus.SUCCESS, spent=spending(5, 2, "0.25"))
    assert not finish_run(run=again, status=RunStatus.SUCCESS, spent=spending(5, 2, "0.25"))
    assert used() == [("alice", 1, 15, 3, Decimal("0.75"))]


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_cancelled_runs_have_spent_what_they_have(alice: APIClient, action: str) -> None:
    run = claimed(alice)
    alice("POST", f"/runs/{run.pk}/cancel?action={action}")
    assert finish_cancelled_run(run=run, spent=spending(7, 3, "0.1"))
    assert used() == [("alice", 1, 7, 3, Decimal("0.1"))]


def test_a_run_that_was_lost_spends_nothing_more(alice: APIClient, settings: Any) -> None:
    run = claimed(alice)
    Run.objects.update(attempts=3, worker="another-host:1:token", heartbeat_at=NOON - timedelta(days=9999))
    assert recover_lost_runs() == 1
    assert not finish_run(run=run, status=RunStatus.SUCCESS, spent=spending(5, 2, "1"))
    assert used() == [("alice", 1, 0, 0, 0)]


def test_what_has_no_price_is_counted_in_tokens(alice: APIClient) -> None:
    finish_run(run=claimed(alice), status=RunStatus.ERROR, spent=spending(5, 2))
    finish_run(run=claimed(alice), status=RunStatus.SUCCESS)
    assert used() == [("alice", 2, 5, 2, 0)]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"tokens_per_day": 10}, "Your quota of tokens for today is used up: 12 of 10."),
        ({"cost_per_day": Decimal("0.5")}, "Your quota of cost for today is used up: $0.75 of $0.5."),
    ],
)
def test_the_run_that_goes_beyond_is_let_end(alice: APIClient, limits: dict[str, Any], told: str) -> None:
    thread = alice.make_thread()
    limit(**limits)
    run = claimed(alice)
    assert start(alice, thread).status_code == 200
    finish_run(run=run, status=RunStatus.SUCCESS, spent=spending(8, 4, "0.75"))
    refused = start(alice, thread)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith(told)


def test_spending_counts_on_the_day_that_it_is_told(alice: APIClient, noon: list[datetime]) -> None:
    run = claimed(alice)
    noon[0] += timedelta(days=1)
    finish_run(run=run, status=RunStatus.SUCCESS, spent=spending(1, 1))
    assert [row[1:4] for row in used()] == [(1, 0, 0), (0, 1, 1)]


def test_small_costs_add_up(alice: APIClient) -> None:
    for _ in range(10):
        finish_run(run=claimed(alice), status=RunStatus.SUCCESS, spent=spending(1, 0, "0.0000000001"))
    assert DailyUse.objects.get().cost == Decimal("0.0000000010")


def test_the_last_slot_is_given_once(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many requests at once, in threads of their own, each on a conversation of its own."""
    threads = [alice.make_thread() for _ in range(8)]
    owner = User.objects.get(username="alice")
    limit(runs_per_day=3)
    # All know what is allowed before any is counted.
    known = threading.Barrier(len(threads))
    ask = allowance_of

    def ask_together(user: User) -> Any:
        allowance = ask(user)
        known.wait(timeout=30)
        return allowance

    monkeypatch.setattr(services, "allowance_of", ask_together)

    def begin(thread: str) -> bool:
        try:
            create_run(owner=owner, body=RunBody(thread_id=thread, input=HELLO))
        except QuotaExceeded:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(len(threads)) as pool:
        begun = sum(pool.map(begin, threads))
    assert begun == Run.objects.count() == DailyUse.objects.get().runs == 3


def test_runs_that_end_at_once_are_all_counted(alice: APIClient) -> None:
    runs = [claimed(alice) for _ in range(8)]

    def end(run: Run) -> None:
        try:
            assert finish_run(run=run, status=RunStatus.SUCCESS, spent=spending(3, 4, "0.125"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(end, runs))
    assert used() == [("alice", 8, 24, 32, Decimal(1))]


def test_a_schedule_says_that_it_was_refused(alice: APIClient) -> None:
    schedule = post_schedule(alice, alice.make_thread())
    limit(runs_per_day=0)
    make_due(schedule)
    assert tick() == 1
    schedule.refresh_from_db()
    assert schedule.last_error.startswith("Your quota of runs for today is used up: 0 of 0.")
    assert schedule.enabled
    assert not Run.objects.exists()
    Quota.objects.all().delete()
    make_due(schedule)
    assert tick() == 1
    assert [row[1] for row in used()] == [1]


def test_it_goes_with_its_user(alice: APIClient) -> None:
    start(alice)
    Thread.objects.all().delete()
    assert DailyUse.objects.exists()
    User.objects.all().delete()
    assert not DailyUse.objects.exists()


def test_it_takes_two_small_statements(alice: APIClient) -> None:
    thread = alice.make_thread()
    body, owner = RunBody(thread_id=thread, input=HELLO), User.objects.get(username="alice")
    create_run(owner=owner, body=body)
    with CaptureQueriesContext(connection) as queries:
        create_run(owner=owner, body=body)
    about = [query["sql"] for query in queries if "quotas_" in query["sql"]]
    assert [sql.split()[0] for sql in about] == ["SELECT", "INSERT"]
