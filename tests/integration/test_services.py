"""The databases that the suite runs on are those it was asked for, and are thrown away."""

import os
import threading

import psycopg
import pytest
import redis
from django.db import connection

from accounts.models import User
from tests.services import PostgreSQL, Service, accepts_connections


@pytest.mark.django_db
def test_the_database_is_the_one_asked_for(pytestconfig: pytest.Config) -> None:
    assert connection.vendor == pytestconfig.getoption("--database")
    assert "memory" not in str(connection.settings_dict["NAME"])
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "opengpts.settings.testing"


@pytest.mark.django_db(transaction=True)
def test_another_thread_sees_what_was_committed() -> None:
    User.objects.create_user("ada")
    seen: list[bool] = []

    def look() -> None:
        seen.append(User.objects.filter(username="ada").exists())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]


@pytest.mark.django_db(transaction=True)
async def test_async_queries_work() -> None:
    await User.objects.acreate(username="ada")
    assert await User.objects.filter(username="ada").aexists()


def test_settings_lead_to_nobody_elses_data() -> None:
    assert os.environ["OPENAI_API_KEY"] == ""
    assert "opengpts-tests-" in os.environ["DATA_DIR"]


def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


@pytest.mark.once
def test_a_stopped_postgresql_leaves_nothing_behind() -> None:
    with PostgreSQL() as server:
        with psycopg.connect(server.url()) as client:
            assert client.execute("select 1").fetchone() == (1,)
        directory = server.directory
    assert not directory.exists()
    assert not accepts_connections(server.port)


@pytest.mark.once
def test_a_server_that_fails_to_start_says_why() -> None:
    with Service("nothing") as service, pytest.raises(RuntimeError, match="no such file"):
        service.start(["cat", "no such file"], lambda: False)
