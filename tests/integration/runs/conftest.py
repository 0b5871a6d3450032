"""What tests of runs share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agents.tools import toolset
from agents.tools.toolset import Toolset
from opengpts.db import in_database_thread
from runs.executors import executor
from tests.fakes import tools
from tests.integration.runs.house import House
from tests.services import FakeOpenAI

Build = Callable[..., Awaitable[House]]


@pytest.fixture
def model(openai_server: FakeOpenAI, settings: Any) -> FakeOpenAI:
    """The model that runs use, which answers by script."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url
    return openai_server


@pytest.fixture
def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents have the tools of `tests.fakes.tools`, whatever they ask for."""
    opened = Toolset((tools.add, tools.failing, tools.slow, tools.block))

    async def open_tools(specs: Any) -> Toolset:
        return opened

    monkeypatch.setattr(toolset, "open_tools", open_tools)


@pytest.fixture
async def house(model: FakeOpenAI, settings: Any) -> AsyncIterator[Build]:
    """Makes threads whose runs this process does."""
    settings.RUN_HEARTBEAT, settings.STREAM_HEARTBEAT = 0.5, 0.5
    executor().ensure_started()

    async def build(**options: Any) -> House:
        return await in_database_thread(lambda: House(**options))

    yield build
    await executor().stop()
