"""Several server processes that each do the runs they were asked for (`RUN_EXECUTOR=inline`, with Redis)."""

import pytest

from tests.acceptance.deployment import Deployment, start_slow_run
from tests.live_client import LiveClient
from tests.services import FakeOpenAI

pytestmark = [pytest.mark.acceptance, pytest.mark.once]


def test_a_run_that_waits_for_one_of_another_process_begins_when_that_has_ended(openai_server: FakeOpenAI) -> None:
    # Longer than the client waits: no heartbeat helps.
    deployment = Deployment(openai_server, RUN_EXECUTOR="inline", RUN_HEARTBEAT="600", RUN_LOST_AFTER="1800")
    try:
        with deployment.another_web() as other:
            here, there = deployment.client(), LiveClient(other.url)
            warm = there.make_thread()
            assert there.wait_for_run(there.start_run(warm, "hello"))["status"] == "success"
            thread = here.make_thread()
            start_slow_run(here, thread, "TOKENS:20 DELAY:50")
            assert there.wait_for_run(there.start_run(thread, "hello"))["status"] == "success"
            assert [kind for kind, _ in here.said(thread)] == ["human", "ai"] * 2
    finally:
        deployment.stop()
