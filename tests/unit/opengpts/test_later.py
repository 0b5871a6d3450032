import asyncio

import pytest

from opengpts.errors import OpenGPTsError
from opengpts.later import Later

pytestmark = pytest.mark.once


class Begun:
    """Something that goes on until it is let go, and knows whether it was given up."""

    def __init__(self) -> None:
        self.going_on, self.given_up = asyncio.Event(), False
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.going_on.set()
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise


def later(begun: Begun) -> Later:
    return Later(begun, lambda: None, stopping=OpenGPTsError("stops", code="server_stopping"))


async def test_nobody_waits_for_a_client_that_has_left() -> None:
    begun, left = Begun(), asyncio.Event()

    async def leaving() -> None:
        await left.wait()

    waiting = asyncio.create_task(later(begun).wait(leaving()))
    await asyncio.wait_for(begun.going_on.wait(), 30)
    left.set()
    assert await asyncio.wait_for(waiting, 30) is None
    assert begun.given_up


async def test_the_end_is_waited_for() -> None:
    begun = Begun()
    waiting = asyncio.create_task(later(begun).wait(asyncio.sleep(3600)))
    await asyncio.wait_for(begun.going_on.wait(), 30)
    begun.done.set()
    assert await asyncio.wait_for(waiting, 30) is True
