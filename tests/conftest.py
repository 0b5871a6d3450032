"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.databases import new_database
from tests.live_server import LiveServer
from tests.services import FakeOpenAI, Redis


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Leave the test database alone at the end: the run's own server and directory are thrown away with it.

    Dropping it instead would fail while any thread still holds a connection.
    """
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Close the connection pool at the end, or its threads would outlive the tests."""
    yield
    connection = connections["default"]
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server for this session."""
    with Redis() as redis:
        yield redis.url()


@pytest.fixture(scope="session")
def _openai_server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def openai_server(_openai_server: FakeOpenAI) -> FakeOpenAI:
    """A local server that speaks OpenAI's API, shared by the session; its record of requests is empty."""
    _openai_server.forget()
    return _openai_server


@pytest.fixture
def database_url() -> Iterator[str]:
    """The URL of an empty database for a server process, on what `--database` says."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def module_server(request: pytest.FixtureRequest, _openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """As `server`, but one for all tests of a module: they share its database."""
    name = request.config.getoption("--server")
    with new_database() as url, LiveServer(url, server=name, **_openai_server.settings) as server:
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest, database_url: str, openai_server: FakeOpenAI) -> Iterator[LiveServer]:
    """The real server as a process, whose model is `openai_server`.

    It runs under what `--server` says. For both, `@pytest.mark.parametrize("server", SERVERS, indirect=True)`.
    """
    name = getattr(request, "param", request.config.getoption("--server"))
    with LiveServer(database_url, server=name, **openai_server.settings) as server:
        yield server
