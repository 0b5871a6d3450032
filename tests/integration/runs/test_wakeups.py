"""Wake-ups reach who listens, in this process and in others, and come back after Redis does."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers, get_channel_layer
from django.test import override_settings

from opengpts.settings.base import channel_layer
from runs import wakeups
from tests.services import Redis

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent.parent
# Seconds: more than anything here should take.
DEADLINE = 30.0

# Two tasks of the layer that find its connection gone at once both connect: one connection is left to be collected.
reconnecting = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

WAKER = """
import asyncio, sys
import django
django.setup()
from runs import wakeups
asyncio.run(wakeups.wake(sys.argv[1]))
"""


def layer_at(url: str) -> dict[str, object]:
    return {"default": channel_layer(url, "test")}


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    with Redis() as redis:
        yield redis


@pytest.fixture
async def layer(own_redis: Redis) -> AsyncIterator[Redis]:
    with override_settings(CHANNEL_LAYERS=layer_at(own_redis.url())):
        yield own_redis
        own_redis.resume()
        await wakeups.aclose()
        await get_channel_layer().flush()


@pytest.fixture
async def memory() -> AsyncIterator[None]:
    yield
    await wakeups.aclose()


def wake_elsewhere(redis: Redis, name: str) -> None:
    """Wake from another process, which must not take it badly if Redis is away."""
    settings = f"from opengpts.settings.testing import *\nCHANNEL_LAYERS = {layer_at(redis.url())!r}\n"
    (redis.directory / "wakeups_settings.py").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-c", WAKER, name],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{redis.directory}", "DJANGO_SETTINGS_MODULE": "wakeups_settings"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


async def woken(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()
    event.clear()


async def woken_by_another(redis: Redis, name: str, event: asyncio.Event) -> None:
    """Wake from another process until it is heard."""
    deadline = time.monotonic() + DEADLINE
    while not event.is_set():
        assert time.monotonic() < deadline
        await asyncio.to_thread(wake_elsewhere, redis, name)
        await asyncio.wait({asyncio.ensure_future(event.wait())}, timeout=0.5)
    event.clear()


async def subscriptions(redis: Redis) -> set[str]:
    """The groups that Redis sends to anybody."""
    shown = await asyncio.to_thread(redis.ask, "PUBSUB", "CHANNELS", "test:__group__*")
    return {name.removeprefix("test:__group__wakeups.") for name in shown}


async def until_subscribed(redis: Redis, names: set[str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while (found := await subscriptions(redis)) != names:
        assert time.monotonic() < deadline, found


@pytest.mark.usefixtures("memory")
async def test_within_a_process_no_layer_is_needed() -> None:
    async with wakeups.on("runs") as first, wakeups.on("runs") as second, wakeups.on("other") as other:
        await wakeups.wake("runs")
        assert first.is_set()
        assert second.is_set()
        assert not other.is_set()
    await wakeups.wake("runs")


@pytest.mark.usefixtures("memory")
async def test_a_thread_wakes_the_event_loop() -> None:
    async with wakeups.on("runs") as event:
        thread = threading.Thread(target=lambda: async_to_sync(wakeups.wake)("runs"))
        thread.start()
        await woken(event)
        thread.join()


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("name", ["", "a name", "ä", "x" * 81, "a\n"])
async def test_a_name_that_the_layer_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        await wakeups.wake(name)
    with pytest.raises(ValueError, match="cannot be the name"):
        async with wakeups.on(name):
            pass


async def test_another_process_wakes_who_listens(layer: Redis) -> None:
    async with wakeups.on("a") as event, wakeups.on("b") as other:
        event.clear()
        other.clear()
        await asyncio.to_thread(wake_elsewhere, layer, "a")
        await woken(event)
        assert not other.is_set()


async def test_a_group_lasts_from_the_first_listener_to_the_last(layer: Redis) -> None:
    async with wakeups.on("a"):
        async with wakeups.on("a"), wakeups.on("b"):
            await until_subscribed(layer, {"a", "b"})
        await until_subscribed(layer, {"a"})
    await until_subscribed(layer, set())
    async with wakeups.on("a"):
        await until_subscribed(layer, {"a"})


async def test_a_process_does_not_hear_itself_twice(layer: Redis) -> None:
    async with wakeups.on("a") as event:
        event.clear()
        await wakeups.wake("a")
        await woken(event)
        # Another process is heard after that over the same channel, so the echo would have come by now.
        async with wakeups.on("b") as other:
            other.clear()
            await woken_by_another(layer, "b", other)
        assert not event.is_set()


@pytest.mark.usefixtures("layer")
async def test_many_wakeups_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = wakeups._hubs.here()
    sent: list[str] = []
    group_send = hub._layer.group_send

    async def counting(group: str, message: dict[str, str]) -> None:
        sent.append(message["name"])
        await group_send(group, message)

    monkeypatch.setattr(hub, "_layer", type("Counting", (), {"group_send": staticmethod(counting)}))
    for _ in range(1000):
        wakeups.wake_soon("a")
    await wakeups.wake("a")
    assert sent == ["a"]


@reconnecting
async def test_wakeups_come_back_after_a_restart(layer: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "runs.wakeups")
    async with wakeups.on("a") as event:
        await woken_by_another(layer, "a", event)
        await asyncio.to_thread(layer.end)
        for _ in range(5):
            await wakeups.wake("a")
            await woken(event)
        async with wakeups.on("b") as late:
            late.clear()
            await asyncio.to_thread(layer.begin)
            await until_subscribed(layer, {"a", "b"})
            event.clear()
            await woken_by_another(layer, "a", event)
            await woken_by_another(layer, "b", late)
    await until_subscribed(layer, set())
    told = [record.message for record in caplog.records if record.name == "runs.wakeups"]
    assert len(told) == 2, told
    assert told[0].startswith("Processes cannot wake each other")
    assert told[1] == "Processes wake each other again."


@reconnecting
async def test_who_leaves_during_an_outage_is_not_woken_after_it(layer: Redis) -> None:
    async with wakeups.on("a") as event:
        async with wakeups.on("b"):
            await woken_by_another(layer, "a", event)
            await asyncio.to_thread(layer.end)
        async with wakeups.on("c"):
            await asyncio.to_thread(layer.begin)
            await until_subscribed(layer, {"a", "c"})


@reconnecting
async def test_restarts_while_listeners_come_and_go(layer: Redis) -> None:
    over = asyncio.Event()

    async def come_and_go(number: int) -> None:
        while not over.is_set():
            async with wakeups.on(f"n{number}"):
                await asyncio.sleep(0.01)

    async with wakeups.on("a") as event:
        going = [asyncio.ensure_future(come_and_go(number)) for number in range(20)]
        for _ in range(3):
            await asyncio.to_thread(layer.end)
            await asyncio.to_thread(layer.begin)
            await woken_by_another(layer, "a", event)
        over.set()
        await asyncio.gather(*going)
        await woken_by_another(layer, "a", event)


async def test_a_redis_that_does_not_answer_holds_nobody_up(layer: Redis) -> None:
    async with wakeups.on("a") as event:
        await woken_by_another(layer, "a", event)
        layer.pause()
        before = time.monotonic()
        for _ in range(3):
            await wakeups.wake("a")
        async with wakeups.on("b"):
            waited = time.monotonic() - before
        layer.resume()
        assert waited < 5 * wakeups.PATIENCE
        await woken_by_another(layer, "a", event)


async def test_what_waits_to_be_sent_is_bounded(layer: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "MAX_WAITING", 10)
    layer.pause()
    for number in range(100):
        wakeups.wake_soon(f"n{number}")
    assert len(wakeups._hubs.here()._waiting) == 10


def test_the_layer_of_the_settings_is_not_made_at_import() -> None:
    assert not [layer for layer in channel_layers.backends.values() if "Redis" in type(layer).__name__]
