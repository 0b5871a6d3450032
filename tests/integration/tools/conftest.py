"""Tools that ask a stand-in for their services."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from agents.tools import toolset
from tests.services import FakeToolServices


@pytest.fixture(scope="session")
def _tool_services() -> Iterator[FakeToolServices]:
    with FakeToolServices() as services:
        yield services


@pytest.fixture
async def services(
    settings: Settings, tmp_path: Path, _tool_services: FakeToolServices
) -> AsyncIterator[FakeToolServices]:
    """The stand-in, to which all settings lead; its record of requests is empty."""
    settings.TOOL_URLS = _tool_services.urls
    settings.TOOLS_CONTACT = "admin@example.org"
    settings.TAVILY_API_KEY = "tvly-key"
    settings.YDC_API_KEY = "ydc-key"
    settings.OPENAI_API_KEY = "a-key"
    settings.MEDIA_ROOT = tmp_path
    _tool_services.forget()
    toolset.clear_cache()
    yield _tool_services
    await toolset.aclose()
