"""The inline executor goes on, whatever happens to one of its steps."""

import asyncio
from typing import Any

import pytest

from agents.language_models import pacing
from runs.executors import inline as module
from runs.executors.inline import InlineExecutor
from runs.models import Run
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import eventually

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_failing_claim_does_not_end_the_claiming(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.RUN_HEARTBEAT = 0.01
    claims = 0
    claimed_again = asyncio.Event()

    def claim() -> None:
        nonlocal claims
        claims += 1
        if claims == 1:
            raise Run.DoesNotExist
        loop.call_soon_threadsafe(claimed_again.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(module, "claim_run", claim)
    executor = InlineExecutor()
    executor.ensure_started()
    try:
        await asyncio.wait_for(claimed_again.wait(), timeout=60)
    finally:
        await executor.stop()
    assert claims > 1


async def test_stopping_in_the_moment_of_a_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wake-up does not swallow the stop, which would then wait forever."""
    monkeypatch.setattr(module, "claim_run", lambda: None)
    for _ in range(20):
        executor = InlineExecutor()
        executor.ensure_started()
        # Until it waits to be woken.
        async with asyncio.timeout(30):
            while executor._wake.is_set() or not getattr(executor._wake, "_waiters", ()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        executor._wake.set()
        async with asyncio.timeout(30):
            await executor.stop()


async def test_runs_that_go_on_are_what_a_process_has_in_hand(house: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the answers that are read, so that those read leave time to runs whose answers have not begun."""
    monkeypatch.setattr(pacing, "_AS_THEY_COME", 0)
    here = await house()
    run = await here.speak()
    assert pacing.pause() == pytest.approx(2 * pacing._PACE)
    await here.cancel(run)
    await here.end_of(run)
    assert await eventually(lambda: pacing.pause() == 0)
