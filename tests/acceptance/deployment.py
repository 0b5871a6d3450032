"""A deployment of several processes: web processes, workers, PostgreSQL and Redis."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.live_worker import LiveWorker
from tests.services import FakeOpenAI, PostgreSQL, Redis

# Seconds.
HEARTBEAT, LOST_AFTER = 1.0, 4.0
# A run whose worker died has a worker again after so long at most. What else a busy machine does comes on top.
BOUND = LOST_AFTER + HEARTBEAT
SLACK = 10.0


class Deployment:
    """PostgreSQL, Redis and one web process, to which others are added. `model` answers for all."""

    def __init__(self, model: FakeOpenAI, **settings: str) -> None:
        self._stack = ExitStack()
        self.model = model
        try:
            self.postgresql, self.redis = self._add(PostgreSQL()), self._add(Redis())
            self._settings = {
                "RUN_EXECUTOR": "procrastinate",
                "REDIS_URL": self.redis.url(),
                **model.settings,
                "RUN_HEARTBEAT": str(HEARTBEAT),
                "RUN_LOST_AFTER": str(LOST_AFTER),
                "STREAM_HEARTBEAT": "1",
                **settings,
            }
            self.web = self._add(LiveServer(self.postgresql.url(), **self._settings))
        except BaseException:
            self.stop()
            raise

    @contextmanager
    def another_web(self) -> Iterator[LiveServer]:
        """A second web process, on a port of its own, until the block ends."""
        with LiveServer(self.postgresql.url(), **self._settings) as web:
            yield web

    @contextmanager
    def worker(self, *, wait: bool = True, **settings: str) -> Iterator[LiveWorker]:
        """A worker process, until the block ends."""
        with LiveWorker(self.web.environment, wait=wait, **settings) as worker:
            yield worker

    def client(self) -> LiveClient:
        """A client of the first web process."""
        return LiveClient(self.web.url)

    def stop(self) -> None:
        """End everything."""
        self._stack.close()

    def _add(self, service: Any) -> Any:
        return self._stack.enter_context(service)


def start_slow_run(client: LiveClient, thread: str, text: str) -> str:
    """Start a run and return when the first words of its answer are there."""
    run_id = client.start_run(thread, text)
    with client("GET", f"/runs/{run_id}/stream", stream=True) as response:
        assert any(b"tok1" in line for line in response.iter_lines())
    return run_id


def assert_said(client: LiveClient, thread: str, *said: tuple[str, str]) -> None:
    """It says what is expected, each message once, and answers when it is asked again."""
    assert client.said(thread) == [*said]
    ids = [message["id"] for message in client.messages(thread)]
    assert len(ids) == len(set(ids))
    assert client.wait_for_run(client.start_run(thread, "after"))["status"] == "success"
    assert client.said(thread) == [*said, ("human", "after"), ("ai", "Echo: after")]
