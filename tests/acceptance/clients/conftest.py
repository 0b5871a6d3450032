"""What tests of the official clients share: a server, assistants, and what is said to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import new_database
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.python_client import TRANSPORTS, Transport
from tests.services import FakeOpenAI, tokens

OWN_TOOLS = ("add", "failing", "slow", "telling")
TEN, TEN_TOKENS = "TOKENS:10 DELAY:30", tokens(10)
ADD = 'TOOL:add {"a": 1, "b": 2}'


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


@pytest.fixture
def client(agents_server: LiveServer, openai_server: FakeOpenAI, tools_log: Path) -> LiveClient:
    """Somebody who uses the API beside the client that is tested. No tool has run yet."""
    tools_log.write_text("")
    return LiveClient(agents_server.url)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each way that the clients have of watching a thread."""
    way: Transport = request.param
    return way


@pytest.fixture
def chatbot(client: LiveClient) -> str:
    """An assistant without tools."""
    return client.make_assistant(type="chatbot")


@pytest.fixture
def agent(client: LiveClient) -> str:
    """An agent with `OWN_TOOLS`."""
    return client.make_assistant(**{"type==agent/tools": list(OWN_TOOLS)})


@pytest.fixture
def asking(client: LiveClient) -> str:
    """An agent that asks before it uses a tool."""
    return client.make_assistant(**{"type==agent/tools": list(OWN_TOOLS), "type==agent/interrupt_before_action": True})
