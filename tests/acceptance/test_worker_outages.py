"""PostgreSQL and Redis are away for a while: the runs of workers go on, and end."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.deployment import SLACK, Deployment, assert_said, start_slow_run
from tests.acceptance.streaming import subscribe, text_in, until_ended
from tests.live_client import LiveClient
from tests.services import FakeOpenAI, tokens
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.once]

Away = Callable[[Deployment], None]

# Seconds.
AWAY = 5.0
SLOW = "TOKENS:80 DELAY:100"
SLOW_ANSWER = tokens(80)
SLOW_TIME = 8.0


@pytest.fixture(scope="module")
def deployment(_openai_server: FakeOpenAI) -> Iterator[Deployment]:
    """One deployment for these tests. Each ends the workers that it starts."""
    deployment = Deployment(_openai_server, RUN_LOST_AFTER="30")
    yield deployment
    deployment.stop()


@pytest.fixture
def client(deployment: Deployment) -> LiveClient:
    return deployment.client()


def end(deployment: Deployment) -> None:
    deployment.postgresql.end(signal.SIGINT)


def begin(deployment: Deployment) -> None:
    deployment.postgresql.begin()


def pause(deployment: Deployment) -> None:
    deployment.postgresql.pause()


def resume(deployment: Deployment) -> None:
    deployment.postgresql.resume()


@pytest.mark.parametrize(("leave", "come_back"), [(end, begin), (pause, resume)], ids=["stopped", "suspended"])
@pytest.mark.parametrize("text", [SLOW, "TOKENS:20 DELAY:100"], ids=["between saves", "at a save"])
def test_postgresql_is_away(
    deployment: Deployment, client: LiveClient, leave: Away, come_back: Away, text: str
) -> None:
    answer = tokens(int(text.split()[0].removeprefix("TOKENS:")))
    thread = client.make_thread()
    with deployment.worker() as worker:
        run_id = start_slow_run(client, thread, text)
        waiting = client.start_run(thread, "queued")
        leave(deployment)
        time.sleep(AWAY)
        come_back(deployment)
        run = client.wait_for_run(run_id, timeout=SLOW_TIME * 2 + SLACK)
        assert (run["status"], run["error"]) == ("success", None)
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"
        assert_said(client, thread, ("human", text), ("ai", answer), ("human", "queued"), ("ai", "Echo: queued"))
        # It works on: with what is new, and for whoever cancels.
        other = start_slow_run(client, client.make_thread(), "TOKENS:1000 DELAY:100")
        client.post(f"/runs/{other}/cancel", None)
        assert client.wait_for_run(other, timeout=SLACK)["status"] == "cancelled"
        assert worker.end() == 0


def test_a_worker_can_be_stopped_while_postgresql_is_away(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    with deployment.worker(WORKER_DRAIN="1") as worker:
        run_id = start_slow_run(client, thread, SLOW)
        end(deployment)
        try:
            worker.signal(signal.SIGTERM)
            assert worker.wait(30) == 1
        finally:
            begin(deployment)
    with deployment.worker():
        run = client.wait_for_run(run_id, timeout=SLOW_TIME + SLACK)
        assert (run["status"], run["attempts"]) == ("success", 2)
        assert_said(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER))


def test_a_worker_that_starts_before_postgresql_waits_for_it(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    run_id = client.start_run(thread, "early")
    end(deployment)
    with deployment.worker(wait=False) as worker:
        try:
            wait_until(lambda: "trying again" in worker.log)
        finally:
            begin(deployment)
        assert client.wait_for_run(run_id, timeout=4 * SLACK)["status"] == "success"


def test_redis_is_away(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    with deployment.worker():
        run_id = start_slow_run(client, thread, SLOW)
        with subscribe(client, thread, ["messages", "lifecycle"]) as watching:
            deployment.redis.end()
            # Asked for while the workers cannot be told of it.
            waiting = client.start_run(thread, "queued")
            deployment.redis.begin()
            events = list(until_ended(watching))
        # What the log held is gone, and is told again.
        assert text_in(events).endswith(SLOW_ANSWER[-50:])
        assert client.wait_for_run(run_id, timeout=SLOW_TIME + SLACK)["status"] == "success"
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"
        assert_said(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER), ("human", "queued"), ("ai", "Echo: queued"))
