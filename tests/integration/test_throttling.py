"""Who asks too often is told when to come back: users, addresses, those who log in."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from opengpts import throttling
from opengpts.errors import RateLimited
from opengpts.settings.base import cache as cache_settings
from opengpts.settings.environment import Rate
from opengpts.throttling import throttle_user
from tests.client import APIClient
from tests.services import Redis

ROOT = Path(__file__).parent.parent.parent
# A window that does not end during a test.
DAY = 86400
ALICE = User(pk=4711, username="alice")


class LoginView(APIView):
    throttle_scope = "login"
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        # What was read to count it can still be read.
        return Response({"sent": len(request._request.body)})


urlpatterns = [path("login", LoginView.as_view()), path("", include("opengpts.urls"))]


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """Nothing has been counted yet."""
    cache.clear()


def close_connections() -> None:
    client: Any = cache
    for pool in client._cache._pools.values():
        pool.disconnect()


@pytest.fixture
def own_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A Redis that counts for this process."""
    monkeypatch.setattr(throttling, "_paused_until", 0.0)
    with Redis() as redis:
        settings.CACHES = {"default": cache_settings(redis.url(), "test")}
        yield redis
        close_connections()
    throttling._outage.ongoing = False


@pytest.mark.django_db
def test_a_user_who_asks_too_often(settings: Any) -> None:
    settings.THROTTLE_USER = Rate(3, DAY)
    alice = APIClient("alice")
    assert [alice("GET", "/assistants").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = alice("POST", "/threads", {"name": "t"})
    assert refused.status_code == 429
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= DAY
    detail = f"Too many requests: more than 3 in {DAY} seconds (THROTTLE_USER). Try again in {wait} s."
    assert refused.json() == {"detail": detail}
    assert APIClient("bob")("GET", "/assistants").status_code == 200
    # Whoever watches the server is no user of it.
    assert alice("GET", "/ok").status_code == 200


@pytest.mark.django_db
def test_windows_end(settings: Any) -> None:
    settings.THROTTLE_USER = Rate(1, 1)
    alice = APIClient("alice")
    deadline = time.monotonic() + 30
    while alice("GET", "/tools").status_code != 429:
        assert time.monotonic() < deadline
    while alice("GET", "/tools").status_code != 200:
        assert time.monotonic() < deadline


def statuses(path: str, **headers: str) -> int:
    return int(Client(raise_request_exception=False).get(path, headers=headers).status_code)


def test_whoever_is_not_known_counts_by_address(settings: Any) -> None:
    settings.THROTTLE_ANONYMOUS = Rate(2, DAY)
    forwarded = [statuses("/openapi.json", x_forwarded_for=f"198.51.100.{number}") for number in range(3)]
    assert forwarded == [200, 200, 429], "nobody chooses their address"


def test_the_address_that_our_proxy_tells(settings: Any) -> None:
    settings.THROTTLE_ANONYMOUS, settings.NUM_PROXIES = Rate(2, DAY), 1
    forged = [statuses("/openapi.json", x_forwarded_for=f"198.51.100.{n}, 203.0.113.7") for n in range(3)]
    assert forged == [200, 200, 429]
    assert statuses("/openapi.json", x_forwarded_for="203.0.113.7, 203.0.113.8") == 200
    network = [statuses("/openapi.json", x_forwarded_for=f"2001:db8:1:2::{n}") for n in range(3)]
    assert network == [200, 200, 429], "an IPv6 customer has a whole network"
    assert statuses("/openapi.json", x_forwarded_for="2001:db8:1:3::1") == 200


@pytest.mark.django_db
def test_those_who_are_refused_for_who_they_are(settings: Any) -> None:
    settings.THROTTLE_ANONYMOUS, settings.AUTH_DEFAULT_USER = Rate(2, DAY), None
    nobody = APIClient(None)
    answers = [nobody("GET", "/assistants") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert "THROTTLE_ANONYMOUS" in answers[-1].json()["detail"]
    assert APIClient("alice")("GET", "/assistants").status_code == 200


@pytest.mark.django_db
def test_uploads(settings: Any) -> None:
    settings.THROTTLE_UPLOADS = Rate(1, DAY)
    alice = APIClient("alice")
    documents = f"/assistants/{alice.make_assistant()}/documents"
    assert [alice("GET", documents).status_code for _ in range(2)] == [200, 200]
    assert [alice("POST", documents).status_code for _ in range(2)] == [422, 429]
    assert alice("POST", "/ingest").status_code == 429


def log_in(name: str, address: str, **options: Any) -> int:
    options = options or {"content_type": "application/json"}
    body = {"username": name, "password": "x"}
    return int(Client().post("/login", body, REMOTE_ADDR=address, **options).status_code)


@pytest.mark.urls(__name__)
def test_logins_by_address(settings: Any) -> None:
    settings.THROTTLE_LOGIN = Rate(3, DAY)
    assert [log_in(f"user{number}", "198.51.100.1") for number in range(4)] == [200, 200, 200, 429]
    assert log_in("user5", "198.51.100.2") == 200


@pytest.mark.urls(__name__)
def test_logins_by_the_name_that_is_tried(settings: Any) -> None:
    settings.THROTTLE_LOGIN = Rate(2, DAY)
    form: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded"}
    assert log_in("Alice", "198.51.100.1") == 200
    body = "username=ALICE&password=x"
    assert Client().post("/login", body, REMOTE_ADDR="198.51.100.2", **form).status_code == 200
    assert log_in("alice", "198.51.100.3") == 429
    assert log_in("bob", "198.51.100.3") == 200


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("body", ["", "{", "[]", '{"username": 1}', "[" * 100_000, b"\xff", '{"username": "\\ud800"}'])
def test_a_login_that_is_none_counts_by_address(settings: Any, body: str) -> None:
    settings.THROTTLE_LOGIN = Rate(1, DAY)
    answers = [Client().post("/login", body, content_type="application/json").status_code for _ in range(2)]
    assert answers == [200, 429]


@pytest.mark.django_db
def test_the_login_of_the_admin(settings: Any, client: Client) -> None:
    settings.THROTTLE_LOGIN = Rate(2, DAY)
    User.objects.create_superuser("root", password="secret-enough")

    def try_it(password: str) -> Any:
        return client.post("/admin/login/?next=/admin/", {"username": "root", "password": password})

    assert [try_it("wrong").status_code for _ in range(2)] == [200, 200]
    refused = try_it("secret-enough")
    assert refused.status_code == 200
    assert "Too many requests" in refused.content.decode()
    cache.clear()
    assert try_it("secret-enough").status_code == 302


def count_at_once(number: int) -> int:
    """How many of so many requests at once are let through."""

    def ask(_: int) -> bool:
        try:
            throttle_user(ALICE)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(ask, range(number)))


@pytest.mark.once
def test_no_request_is_forgotten(settings: Any) -> None:
    settings.THROTTLE_USER = Rate(50, DAY)
    assert count_at_once(200) == 50


ELSEWHERE = """
import django
django.setup()
from opengpts.settings.environment import Rate
from tests.integration.test_throttling import count_at_once
from django.conf import settings
settings.THROTTLE_USER = Rate(50, 86400)
print(count_at_once(100))
"""


@pytest.mark.once
def test_processes_count_together(settings: Any, own_redis: Redis) -> None:
    settings.THROTTLE_USER = Rate(50, DAY)
    code = f"from opengpts.settings.testing import *\nCACHES = {settings.CACHES!r}\n"
    (own_redis.directory / "throttle_settings.py").write_text(code)
    environment = {
        "PYTHONPATH": f"{ROOT}:{own_redis.directory}",
        "DJANGO_SETTINGS_MODULE": "throttle_settings",
        "DATA_DIR": str(own_redis.directory),
    }
    command = [sys.executable, "-c", ELSEWHERE]
    others = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    here = count_at_once(100)
    there = [int(other.communicate(timeout=60)[0]) for other in others]
    assert here + sum(there) == 50
    assert all(key.startswith("test:cache:1:throttle:user:") for key in own_redis.ask("KEYS", "*"))
    assert all(0 < own_redis.ask("TTL", key) <= 2 * DAY for key in own_redis.ask("KEYS", "*"))


@pytest.mark.once
def test_without_redis_nobody_is_refused(
    settings: Any, own_redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.THROTTLE_USER = Rate(1, DAY)
    assert count_at_once(2) == 1
    own_redis.end()
    assert count_at_once(20) == 20
    assert sum("nobody is asked to wait" in record.message for record in caplog.records) == 1
    own_redis.begin()
    assert count_at_once(2) == 2, "it is left in peace for a while"
    monkeypatch.setattr(throttling, "_paused_until", 0.0)
    assert count_at_once(20) == 1
    assert caplog.records[-1].message == "Requests are counted again."


@pytest.mark.once
def test_a_redis_that_does_not_answer_holds_nobody_up(settings: Any, own_redis: Redis) -> None:
    settings.THROTTLE_USER = Rate(1, DAY)
    count_at_once(1)
    own_redis.pause()
    began = time.monotonic()
    for _ in range(50):
        throttle_user(ALICE)
    assert time.monotonic() - began < 20
