"""One server for the module, and the people on it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.authorisation.world import World, make_world
from tests.databases import new_database
from tests.live_server import LiveServer
from tests.services import FakeOpenAI

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "opengpts.settings.production",
    "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough-for-everybody",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECRETS_KEYS": "k" * 43 + "=",
    "AUTH_TYPE": "local",
    "SSL_REDIRECT": "false",
}


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """A server that takes tokens, on which nobody is anybody by default."""
    name = request.config.getoption("--server")
    with new_database() as url, LiveServer(url, server=name, **SETTINGS, **_openai_server.settings) as server:
        server.manage("collectstatic", "--noinput", "--verbosity=0")
        server.restart()
        yield server


@pytest.fixture(scope="module")
def world(live: LiveServer) -> World:
    """People, and what they have."""
    return make_world(live)
