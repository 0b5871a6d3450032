"""A run that is no more this process's writes nothing: not into its own thread, nor into a new one of the same id."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.graphs import aclose
from opengpts.db import in_database_thread
from runs.claiming import claim_run, recover_lost_runs
from runs.event_log.memory import MemoryEventLog
from runs.execution import execute
from runs.models import Run
from tests.client import APIClient
from tests.services import FakeOpenAI
from threads.models import Checkpoint, Message

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = {"type": "human", "content": "TOKENS:2 DELAY:500", "id": "slow"}


def start(openai_server: FakeOpenAI, settings: Any) -> tuple[str, str, Run]:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url
    alice = APIClient("alice")
    assistant = alice.make_assistant(public=True)
    thread = alice.make_thread(assistant)
    assert alice("POST", "/runs", {"thread_id": thread, "input": [SLOW]}).status_code == 200
    run = claim_run()
    assert run
    return assistant, thread, run


async def doing(run: Run) -> "asyncio.Task[None]":
    """The run under way, its input saved."""
    task = asyncio.create_task(execute(run, MemoryEventLog(length=100, ttl=60)))
    while await in_database_thread(Checkpoint.objects.filter(thread=run.thread).count) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return task


@pytest.fixture(autouse=True)
async def models() -> AsyncIterator[None]:
    """Close the connections to models in the loop that opened them."""
    yield
    await aclose()


async def test_not_into_a_thread_made_anew_under_the_same_id(openai_server: FakeOpenAI, settings: Any) -> None:
    assistant, thread, run = await in_database_thread(start, openai_server, settings)

    def replace_thread() -> None:
        assert APIClient("alice")("DELETE", f"/threads/{thread}").status_code == 200
        body = {"name": "mine", "assistant_id": assistant}
        assert APIClient("bob")("PUT", f"/threads/{thread}", body).status_code == 200

    task = await doing(run)
    await in_database_thread(replace_thread)
    await task
    assert await in_database_thread(Message.objects.count) == 0
    assert await in_database_thread(Checkpoint.objects.count) == 0


async def test_not_after_another_has_gone_on(openai_server: FakeOpenAI, settings: Any) -> None:
    _, _, run = await in_database_thread(start, openai_server, settings)

    def take_over() -> Run | None:
        Run.objects.update(heartbeat_at="2000-01-01T00:00:00Z")
        assert recover_lost_runs() == 1
        return claim_run()

    task = await doing(run)
    again = await in_database_thread(take_over)
    assert again
    before = await in_database_thread(Checkpoint.objects.count)
    await task
    assert await in_database_thread(Checkpoint.objects.count) == before
    row = await in_database_thread(Run.objects.get)
    assert (row.status, row.attempts) == ("running", 2)
