"""Who starts the local model's process, who uses it, and when it is started again. No model runs here."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from agents.errors import ModelFailed, ModelUnavailable
from agents.language_models.local_model.child import is_healthy
from agents.language_models.local_model.keeper import Policy, State
from agents.language_models.local_model.supervisor import Supervisor
from agents.language_models.local_model.transport import LocalModelTransport
from tests.fakes import model_process

pytestmark = pytest.mark.once

Make = Callable[..., Supervisor]


@pytest.fixture
def starts(tmp_path: Path) -> Callable[[], list[int]]:
    """The ids of the processes that were started, in order."""
    record = tmp_path / "starts"
    return lambda: [int(pid) for pid in record.read_text().split()] if record.exists() else []


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes supervisors of one directory, as different processes have them: `make(answers=True, **policy)`."""
    made = []

    def make(*, answers: bool = True, **policy: float) -> Supervisor:
        command = [sys.executable, model_process.__file__, str(tmp_path / "starts"), *(["answers"] if answers else [])]
        made.append(Supervisor(tmp_path / "run", command, policy=Policy(**policy)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def until(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has asked about since has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_many_first_users_start_one_process(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisors = [make(), make()]  # two processes, as far as the lock is concerned

    async def ten(supervisor: Supervisor) -> set[str]:
        return set(await asyncio.gather(*(supervisor.aurl() for _ in range(10))))

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(asyncio.run, ten(supervisor)) for supervisor in supervisors * 2]
        threads = [pool.submit(supervisor.url) for supervisor in supervisors * 2]
        urls = {thread.result() for thread in threads}.union(*(loop.result() for loop in loops))
    assert len(urls) == 1
    assert len(starts()) == 1
    assert is_healthy(urls.pop())


async def test_a_start_does_not_hold_up_the_event_loop(make: Make) -> None:
    longest, begun, done = 0.0, time.monotonic(), asyncio.create_task(make().aurl())
    previous = begun
    while not done.done():
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, previous = max(longest, now - previous), now
    assert is_healthy(await done)
    assert longest < (previous - begun) / 2


def test_stop_ends_it_and_a_later_use_starts_it_again(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor = make()
    assert supervisor.state() is None
    supervisor.stop()
    first = supervisor.url()
    supervisor.stop()
    assert not is_running(starts()[0])
    assert supervisor.state() is None
    supervisor.stop()
    assert supervisor.url() != first
    assert len(starts()) == 2


def test_another_process_takes_over_from_an_owner_that_stopped(make: Make, starts: Callable[[], list[int]]) -> None:
    owner, other = make(), make()
    url = owner.url()
    assert other.url() == url
    other.stop()
    assert is_healthy(url)
    owner.stop()
    assert other.url() != url
    assert owner.url() == other.url()
    assert len(starts()) == 2


def test_what_a_dead_owner_wrote_is_not_believed(make: Make, tmp_path: Path, starts: Callable[[], list[int]]) -> None:
    supervisor = make()
    stale = supervisor._path("json")
    stale.parent.mkdir()
    State(owner=1, url="http://127.0.0.1:9", child=1).write(stale)
    assert supervisor.state() is None
    url = supervisor.url()
    state = supervisor.state()
    assert state is not None
    assert (state.url, [state.child], state.owner) == (url, starts(), os.getpid())
    assert url != "http://127.0.0.1:9"


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"owner": 1, "surprise": 2}'])
def test_a_state_that_cannot_be_read_is_waited_out(make: Make, garbage: str) -> None:
    owner, other = make(), make(start_timeout=0.1)
    owner.url()
    owner._path("json").write_text(garbage)
    with pytest.raises(ModelUnavailable, match="did not start in time"):
        other.url()


def test_one_that_keeps_ending_is_started_ever_later(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor, other = make(answers=False, first_delay=60), make(answers=False)
    with pytest.raises(ModelUnavailable, match=r"keeps ending\. It is started again in (60|59) s"):
        supervisor.url()
    # At once after the first end, then after a while; who does not own it is told the same.
    assert len(starts()) == 2
    with pytest.raises(ModelUnavailable, match="keeps ending"):
        other.url()
    begun = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begun < 30, "it waited for the next start"


def test_it_is_started_until_it_comes_up(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor = make(answers=False, first_delay=0.01, longest_delay=0.05, start_timeout=2)
    with pytest.raises(ModelUnavailable, match="did not start in time"):
        supervisor.url()
    assert len(starts()) > 3


def test_one_that_was_well_for_long_is_started_again_at_once(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor = make(first_delay=60, healthy_after=0)
    for number in range(1, 4):
        url = supervisor.url()
        os.kill(starts()[-1], signal.SIGKILL)
        until(lambda number=number: len(starts()) == number + 1)  # type: ignore[misc]
        assert supervisor.url(failed=url) != url


def test_one_that_hangs_is_ended(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor = make(health_interval=0.1, health_timeout=0.1, health_misses=2)
    url = supervisor.url()
    os.kill(starts()[0], signal.SIGSTOP)
    until(lambda: not is_running(starts()[0]))
    assert supervisor.url(failed=url) != url


def test_stop_ends_one_that_hangs(make: Make, starts: Callable[[], list[int]]) -> None:
    supervisor = make()
    supervisor.url()
    os.kill(starts()[0], signal.SIGSTOP)
    supervisor.stop()
    assert not is_running(starts()[0])


def test_a_directory_that_cannot_be_made_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="directory cannot be written"):
        Supervisor(tmp_path / "file" / "run", ["true"]).url()


def test_a_command_that_cannot_be_run_is_no_crash(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, [str(tmp_path / "nothing")], policy=Policy(first_delay=60))
    with pytest.raises(ModelUnavailable, match="keeps ending"):
        supervisor.url()
    supervisor.stop()


def test_the_process_ends_with_its_owner_and_not_with_a_fork_of_it(tmp_path: Path) -> None:
    """A fork has copies of the owner's pipe and lock, and would keep both alive."""
    command = [sys.executable, model_process.__file__, str(tmp_path / "starts"), "answers"]
    script = f"""
import os, sys, time
from pathlib import Path
from agents.language_models.local_model.supervisor import Supervisor
supervisor = Supervisor(Path({str(tmp_path / "run")!r}), {command!r})
url = supervisor.url()
reader, writer = os.pipe()
if fork := os.fork():
    os.read(reader, 1)
    print(fork, supervisor.state().child, flush=True)
else:
    assert supervisor.url() == url
    os.write(writer, b"1")
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        assert owner.stdout is not None
        fork, child = (int(pid) for pid in owner.stdout.readline().split())
        try:
            owner.kill()
            until(lambda: not is_running(child))
            assert is_running(fork)
            other = Supervisor(tmp_path / "run", command)
            assert is_healthy(other.url())
            other.stop()
        finally:
            os.kill(fork, signal.SIGKILL)


async def ask(supervisor: Supervisor, path: str, *, blocking: bool = False, patience: float = 5) -> httpx2.Response:
    """POST to the process through the transport, by either of its two ways."""
    transport = LocalModelTransport(supervisor)
    if blocking:
        with httpx2.Client(transport=transport, timeout=patience) as client:
            return await asyncio.to_thread(client.post, f"http://local-model/v1/{path}", json={})
    async with httpx2.AsyncClient(transport=transport, timeout=patience) as asynchronous:
        return await asynchronous.post(f"http://local-model/v1/{path}", json={})


def posts(supervisor: Supervisor) -> int:
    """How many requests have reached the process."""
    return int(httpx2.get(supervisor.url()).text)


BOTH_WAYS = pytest.mark.parametrize("blocking", [False, True])


@BOTH_WAYS
async def test_a_request_starts_the_process_and_one_that_died(
    make: Make, starts: Callable[[], list[int]], blocking: bool
) -> None:
    supervisor, other = make(), make()
    assert (await ask(supervisor, "", blocking=blocking)).text == "{}"
    for number, user in enumerate((other, supervisor), start=2):
        os.kill(starts()[-1], signal.SIGKILL)
        assert (await ask(user, "", blocking=blocking)).text == "{}"
        assert len(starts()) == number


@BOTH_WAYS
async def test_a_request_without_an_answer_is_sent_twice(make: Make, blocking: bool) -> None:
    supervisor = make()
    with pytest.raises(ModelFailed, match="in the middle"):
        await ask(supervisor, "refuse", blocking=blocking)
    assert posts(supervisor) == 2


@BOTH_WAYS
async def test_an_answer_that_breaks_off_is_not_asked_for_again(make: Make, blocking: bool) -> None:
    supervisor = make()
    with pytest.raises(ModelFailed, match="in the middle"):
        await ask(supervisor, "break", blocking=blocking)
    assert posts(supervisor) == 1


@BOTH_WAYS
async def test_silence_is_no_reason_to_ask_again(make: Make, blocking: bool) -> None:
    supervisor = make()
    with pytest.raises(ModelFailed, match="in time"):
        await ask(supervisor, "wait", blocking=blocking, patience=0.2)
    assert posts(supervisor) == 1


async def test_a_request_is_cancelled(make: Make) -> None:
    supervisor = make()
    supervisor.url()
    request = asyncio.create_task(ask(supervisor, "wait"))
    await asyncio.to_thread(until, lambda: posts(supervisor) == 1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
