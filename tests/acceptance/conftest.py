"""Fixtures for tests that talk to real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import new_database
from tests.live_server import LiveServer
from tests.services import FakeOpenAI

OWN_TOOLS = ("add", "failing", "slow", "telling")


@pytest.fixture(scope="module")
def tools_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tools of `agents_server` write down that they ran."""
    return tmp_path_factory.mktemp("tools") / "ran"


@pytest.fixture(scope="module")
def agents_server(request: pytest.FixtureRequest, _openai_server: FakeOpenAI, tools_log: Path) -> Iterator[LiveServer]:
    """As `module_server`, with tools of its operator's own: `OWN_TOOLS`."""
    settings = {
        **_openai_server.settings,
        "TOOLS": ",".join(f"tests.fakes.tools.{name}" for name in OWN_TOOLS),
        "FAKE_TOOLS_LOG": str(tools_log),
    }
    name = request.config.getoption("--server")
    with new_database() as url, LiveServer(url, server=name, **settings) as server:
        yield server
