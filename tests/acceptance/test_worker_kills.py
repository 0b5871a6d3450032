"""Processes of a deployment die: what they were doing goes on elsewhere, and no message is lost or there twice."""

import json
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests

from tests.acceptance.deployment import BOUND, SLACK, Deployment, assert_said, start_slow_run
from tests.acceptance.streaming import CUT_OFF, events_of, subscribe, text_in, until_ended
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI, tokens
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.once]

SLOW = "TOKENS:60 DELAY:100"
SLOW_ANSWER = tokens(60)
SLOW_TIME = 6.0
ENDLESS = "TOKENS:2000 DELAY:100"


@pytest.fixture(scope="module")
def deployment(_openai_server: FakeOpenAI) -> Iterator[Deployment]:
    """One deployment for these tests. Each ends the workers that it starts."""
    deployment = Deployment(_openai_server)
    yield deployment
    deployment.stop()


@pytest.fixture
def client(deployment: Deployment) -> LiveClient:
    return deployment.client()


def wait_for_attempt(client: LiveClient, run_id: str, number: int) -> None:
    """Return when the run is being done for the `number`th time."""
    wait_until(lambda: client.get(f"/runs/{run_id}")["attempts"] == number, timeout=BOUND + SLACK)


def watch_until(death: LiveServer, response: requests.Response, text: str) -> list[tuple[str, str, Any]]:
    """The events of a stream whose server is killed when that text has come, up to where it is cut off."""
    events = []
    try:
        for event in events_of(response):
            events.append(event)
            if text in json.dumps(event[2]):
                death.kill()
    except CUT_OFF:
        return events
    raise AssertionError("the stream has ended")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_the_run_of_a_worker_that_is_gone_goes_on_on_another(
    deployment: Deployment, client: LiveClient, how: signal.Signals
) -> None:
    thread = client.make_thread()
    with deployment.worker() as worker, deployment.worker() as other:
        # Kept from taking the run, until its worker has it.
        other.signal(signal.SIGSTOP)
        run_id = start_slow_run(client, thread, SLOW)
        waiting = client.start_run(thread, "queued")
        other.signal(signal.SIGCONT)
        with subscribe(client, thread, ["messages", "lifecycle"]) as watching:
            worker.signal(how)
            gone = time.monotonic()
            wait_for_attempt(client, run_id, 2)
            taken_up = time.monotonic() - gone
            if how == signal.SIGSTOP:
                # It is told by what it finds in the database that others have gone on.
                worker.signal(signal.SIGCONT)
            events = list(until_ended(watching))
        run = client.wait_for_run(run_id, timeout=SLOW_TIME + SLACK)
        assert (run["status"], run["error"], run["attempts"]) == ("success", None, 2)
        # One of two workers that had just been frozen lets a heartbeat go by before it judges others.
        assert taken_up < BOUND + 2
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"
        said = [("human", SLOW), ("ai", SLOW_ANSWER), ("human", "queued"), ("ai", "Echo: queued")]
        assert_said(client, thread, *said)
        assert "Traceback" not in worker.log + other.log
    # Who watched is told that the answer begins again, and has it whole.
    broken = next(place for place, event in enumerate(events) if event["params"]["data"]["event"] == "error")
    assert events[broken]["params"]["data"]["code"] == "begun_again"
    assert text_in(events[broken:]) == SLOW_ANSWER
    assert SLOW_ANSWER.startswith(text_in(events[:broken]))
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})


def test_who_watches_a_run_that_kills_its_workers_is_told(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    with deployment.worker() as worker:
        run_id = start_slow_run(client, thread, ENDLESS)
        waiting = client.start_run(thread, "queued")
        with subscribe(client, thread, ["lifecycle"]) as watching:
            worker.kill()
            for attempt in (2, 3):
                worker.restart()
                wait_for_attempt(client, run_id, attempt)
                worker.kill()
            worker.restart()
            *_, ended = until_ended(watching)
        assert ended["params"]["data"]["event"] == "failed"
        assert ended["params"]["data"]["code"] == "run_lost"
        run = client.get(f"/runs/{run_id}")
        assert (run["status"], run["error"]["code"]) == ("error", "run_lost")
        assert client.wait_for_run(waiting, timeout=SLACK)["status"] == "success"


def test_a_stream_goes_on_from_another_web_process(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    with deployment.worker(), deployment.another_web() as dying:
        with LiveClient(dying.url).stream(thread, SLOW) as response:
            before = watch_until(dying, response, "tok0 tok1 tok2")
        last, _, _ = before[-1]
        assert [name for _, name, _ in before[:2]] == ["metadata", "data"]
        run_id = before[0][2]["run_id"]
        with client("GET", f"/runs/{run_id}/stream", stream=True, headers={"Last-Event-ID": last}) as response:
            after = list(events_of(response))
        assert after[-1][1] == "end"
        assert all(int(number) > int(last) for number, _, _ in after)
        texts = [data["messages"][-1]["content"] for _, name, data in after if name == "data"]
        assert texts[-1] == SLOW_ANSWER
        assert all(longer.startswith(shorter) for shorter, longer in pairwise(texts))
        run = client.get(f"/runs/{run_id}")
        assert (run["status"], run["attempts"]) == ("success", 1), "the run has not noticed"
        assert_said(client, thread, ("human", SLOW), ("ai", SLOW_ANSWER))


def test_deltas_go_on_from_another_web_process(deployment: Deployment, client: LiveClient) -> None:
    thread = client.make_thread()
    with deployment.worker(), deployment.another_web() as dying:
        run_id = start_slow_run(client, thread, SLOW)
        with subscribe(LiveClient(dying.url), thread, ["messages", "lifecycle"]) as watching:
            events = [event for _, _, event in watch_until(dying, watching, "tok5 ")]
        assert "tok59 " not in text_in(events)
        with subscribe(client, thread, ["messages", "lifecycle"], since=events[-1]["seq"]) as watching:
            events += until_ended(watching)
        assert text_in(events) == SLOW_ANSWER
        numbers = [event["seq"] for event in events]
        assert numbers == sorted(set(numbers))
        assert client.get(f"/runs/{run_id}")["status"] == "success"
