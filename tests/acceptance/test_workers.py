"""Worker processes: how they share runs, and how they stop."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.acceptance.deployment import SLACK, Deployment, assert_said, start_slow_run
from tests.acceptance.schedules import make_due
from tests.live_client import LiveClient
from tests.services import FakeOpenAI, tokens
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.once]

SLOW = "TOKENS:20 DELAY:100"
SLOW_ANSWER = tokens(20)


@pytest.fixture(scope="module")
def deployment(_openai_server: FakeOpenAI) -> Iterator[Deployment]:
    """One deployment for these tests. Each ends the workers that it starts."""
    deployment = Deployment(_openai_server)
    yield deployment
    deployment.stop()


@pytest.fixture
def client(deployment: Deployment) -> LiveClient:
    return deployment.client()


def test_two_workers_do_the_runs_of_a_thread_in_order(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    texts = [f"first {number}" for number in range(10)] + [f"at once {number}" for number in range(10)]
    run_ids = [client.start_run(thread, text) for text in texts[:10]]
    with deployment.worker(), deployment.worker():
        with ThreadPoolExecutor(5) as pool:
            run_ids += pool.map(lambda text: LiveClient(deployment.web.url).start_run(thread, text), texts[10:])
        runs = [client.wait_for_run(run_id) for run_id in run_ids]
    assert {run["status"] for run in runs} == {"success"}
    assert {run["attempts"] for run in runs} == {1}
    runs.sort(key=lambda run: run["created_at"])
    for before, after in pairwise(runs):
        assert before["finished_at"] <= after["started_at"]
    asked = dict(zip(run_ids, texts, strict=True))
    in_order = [asked[run["run_id"]] for run in runs]
    assert in_order[:10] == texts[:10]
    turns = [[("human", text), ("ai", f"Echo: {text}")] for text in in_order]
    assert client.said(thread) == [message for turn in turns for message in turn]


@pytest.mark.parametrize(("at_once", "per_user"), [("4", "32"), ("64", "4")], ids=["RUN_CONCURRENCY", "per user"])
def test_a_worker_does_as_many_runs_at_once_as_it_is_told(
    deployment: Deployment, client: LiveClient, at_once: str, per_user: str
) -> None:
    assistant = client.make_assistant()
    threads = [client.post("/threads", {"name": "t", "assistant_id": assistant})["thread_id"] for _ in range(6)]
    with deployment.worker(RUN_CONCURRENCY=at_once, RUNS_AT_ONCE_PER_USER=per_user):
        run_ids = [client.start_run(thread, SLOW) for thread in threads]
        runs = [client.wait_for_run(run_id) for run_id in run_ids]
    assert {run["status"] for run in runs} == {"success"}
    together = [sum(one["started_at"] <= run["started_at"] < one["finished_at"] for one in runs) for run in runs]
    assert max(together) == 4


def test_cancelling_reaches_a_worker_at_once(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    # It hears of it by itself much later.
    with deployment.worker(RUN_HEARTBEAT="60", RUN_LOST_AFTER="300"):
        run_id = start_slow_run(client, thread, "TOKENS:1000 DELAY:100")
        waiting = client.start_run(thread, "queued")
        assert client.post(f"/runs/{run_id}/cancel", None)["run_id"] == run_id
        assert client.wait_for_run(run_id, timeout=SLACK)["status"] == "cancelled"
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"
    [human, partial, *rest] = client.said(thread)
    assert human == ("human", "TOKENS:1000 DELAY:100")
    assert partial[1].startswith("tok0 ")
    assert rest == [("human", "queued"), ("ai", "Echo: queued")]


def test_runs_that_were_cancelled_while_there_was_no_worker(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    cancelled = client.start_run(thread, "no")
    assert client.post(f"/runs/{cancelled}/cancel", None)["status"] == "cancelled"
    deleted = client.make_thread()
    client.start_run(deleted, "no")
    assert client("DELETE", f"/threads/{deleted}").ok
    kept = client.start_run(thread, "yes")
    with deployment.worker():
        assert client.wait_for_run(kept, timeout=SLACK)["status"] == "success"
    assert client.said(thread) == [("human", "yes"), ("ai", "Echo: yes")]


def test_a_worker_that_stops_lets_its_runs_end(deployment: Deployment, client: LiveClient) -> None:
    thread, other = client.make_thread(), client.make_thread()
    with deployment.worker() as worker:
        run_id = start_slow_run(client, thread, SLOW)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: "stops" in worker.log)
        waiting = client.start_run(other, "later")
        assert worker.wait() == 0
        run = client.get(f"/runs/{run_id}")
        assert (run["status"], run["attempts"]) == ("success", 1)
        assert client.get(f"/runs/{waiting}")["status"] == "pending"
        assert "Traceback" not in worker.log
    with deployment.worker():
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"
        assert_said(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER))


@pytest.mark.parametrize("twice", [False, True], ids=["in time", "at once"])
def test_what_does_not_end_in_time_goes_on_elsewhere(deployment: Deployment, client: LiveClient, twice: bool) -> None:
    thread = client.make_thread()
    text = "TOKENS:40 DELAY:100"
    with (
        deployment.worker(WORKER_DRAIN="60" if twice else "0.5", RUN_LOST_AFTER="300") as worker,
        deployment.worker(RUN_CONCURRENCY="1", RUN_LOST_AFTER="300") as other,
    ):
        # The other one is kept from taking it, until it is to.
        other.signal(signal.SIGSTOP)
        run_id = start_slow_run(client, thread, text)
        other.signal(signal.SIGCONT)
        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        if twice:
            wait_until(lambda: "stops" in worker.log)
            worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert time.monotonic() - began < SLACK
        assert "Traceback" not in worker.log
        run = client.wait_for_run(run_id, timeout=4 + SLACK)
        assert (run["status"], run["attempts"]) == ("success", 2)
        answer = tokens(40)
        assert_said(client, thread, ("human", text), ("ai", answer))


def test_workers_look_at_the_clock_for_schedules(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    hello = [{"type": "human", "content": "hello"}]
    made = client.post("/schedules", {"thread_id": thread, "cron": "0 0 1 * *", "input": hello})
    with deployment.worker(SCHEDULE_TICK="1", RUN_CONCURRENCY="2"):
        make_due(deployment.web)
        run_id = wait_until(lambda: client.get(f"/schedules/{made['schedule_id']}")["last_run_id"])
        assert client.wait_for_run(run_id)["status"] == "success"
    assert client.said(thread) == [("human", "hello"), ("ai", "Echo: hello")]
