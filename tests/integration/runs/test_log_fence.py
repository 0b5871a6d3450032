"""What a process says of a run that is another's by now is kept out of the event log in Redis."""

import uuid
from collections.abc import AsyncIterator

import pytest

from runs.event_log import LogTaken
from runs.event_log.redis import RedisEventLog
from runs.log_writer import LogWriter
from runs.models import Run
from tests.integration.runs.event_logs import RUN, add, events, first, numbers

pytestmark = pytest.mark.once

LEASE = 1000


@pytest.fixture
async def process(redis_url: str) -> AsyncIterator[RedisEventLog]:
    """The event log as one process has it."""
    log = RedisEventLog(redis_url, prefix="fence", length=100, ttl=60.0)
    yield log
    await log.aclose()


async def test_an_earlier_attempt_is_refused_when_a_later_one_has_begun(process: RedisEventLog) -> None:
    thread, queued = uuid.uuid4(), uuid.uuid4()
    assert await add(process, thread, 1, floor=10) == 11
    # Whoever tells that a run behind it was cancelled does not fence it off.
    assert await add(process, thread, 2, floor=10 + LEASE, run=queued) == 12
    assert await add(process, thread, 3, floor=10) == 13
    assert await add(process, thread, 4, floor=10 + LEASE) == 14
    with pytest.raises(LogTaken):
        await add(process, thread, 5, floor=10)
    assert await add(process, thread, 6, floor=10 + LEASE) == 15
    assert numbers((await first(process, thread, after=10)).entries) == [1, 2, 3, 4, 6]


async def test_its_writer_falls_silent(process: RedisEventLog) -> None:
    run = Run(pk=RUN, thread_id=uuid.uuid4())
    writer = LogWriter(process, run, floor=0, restate=lambda: ([], events(0)), written=lambda: None)
    writer.add(events(1)[0])
    assert await writer.flush(30)
    assert await add(process, run.thread_id, 2, floor=LEASE) == 2
    for event in events(3, 4):
        writer.add(event)
        assert await writer.flush(30)
    assert numbers((await first(process, run.thread_id, after=0)).entries) == [1, 2]
    await writer.close()
