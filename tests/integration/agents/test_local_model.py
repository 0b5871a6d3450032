"""The local model itself: what it answers, and that its process is there when it is needed and not after."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pytest_django import Settings

from agents.errors import ModelFailed
from agents.language_models import local_model
from agents.language_models.local_model import weights
from agents.language_models.local_model.child import is_healthy
from agents.language_models.local_model.supervisor import Supervisor

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(weights.obstacle() is not None, reason=weights.obstacle() or ""),
]
HELLO = [("system", "You are a helpful assistant."), ("human", "hi! my name is bob")]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of these tests find the model that they share."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def supervisor(settings: Settings, data_dir: Path) -> Supervisor:
    settings.LOCAL_MODEL = "auto"
    settings.DATA_DIR = data_dir
    return local_model.shared_supervisor()


@pytest.fixture
def model(supervisor: Supervisor) -> ChatOpenAI:
    return local_model.build_local_chat_model()


@pytest.fixture(scope="module", autouse=True)
def _stop_at_the_end(data_dir: Path) -> Iterator[None]:
    yield
    local_model._supervisor_in(data_dir / "local-model").stop()


@contextmanager
def other_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Another process that has asked the model, and what it says about it."""
    command = [sys.executable, "-m", "tests.integration.agents.local_model_user"]
    environment = {**os.environ, "DATA_DIR": str(data_dir)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def child_of(supervisor: Supervisor) -> int:
    """The id of the model's process."""
    state = supervisor.state()
    assert state is not None
    assert state.child is not None
    return state.child


def until_gone(url: str, timeout: float = 5) -> None:
    """Wait until nothing answers there."""
    deadline = time.monotonic() + timeout
    while is_healthy(url):
        assert time.monotonic() < deadline, "it still answers"
        time.sleep(0.05)


def is_busy(url: str) -> bool:
    """Whether the model is answering somebody."""
    return bool(httpx2.get(f"{url}/slots").json()[0]["is_processing"])


async def test_it_answers(model: ChatOpenAI) -> None:
    answer = await model.ainvoke(HELLO)
    assert isinstance(answer, AIMessage)
    assert "Bob" in answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == 26
    assert 5 < answer.usage_metadata["output_tokens"] < 512
    assert answer.response_metadata["model_name"] == "smollm2-135m-instruct"


async def test_it_answers_after_an_answer(model: ChatOpenAI) -> None:
    answer = await model.ainvoke(HELLO)
    assert (await model.ainvoke([*HELLO, answer])).text


async def test_it_streams_word_by_word(model: ChatOpenAI) -> None:
    chunks = [chunk async for chunk in model.astream(HELLO)]
    texts = [chunk.text for chunk in chunks if chunk.text]
    assert len(texts) > 5
    assert "".join(texts) == (await model.ainvoke(HELLO)).text
    assert [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]


def test_event_loops_and_threads_share_it(model: ChatOpenAI) -> None:
    answers = {asyncio.run(model.ainvoke(HELLO)).text for _ in range(2)} | {model.invoke(HELLO).text}
    assert len(answers) == 1


async def test_requests_queue_for_the_one_slot(model: ChatOpenAI, supervisor: Supervisor) -> None:
    waiting = asyncio.gather(*(model.ainvoke(f"Count to {n}", max_tokens=4) for n in range(20)))
    await asyncio.sleep(0.2)
    assert await asyncio.to_thread(is_healthy, supervisor.url())
    assert not waiting.done()
    assert all(answer.text for answer in await waiting)


async def test_a_prompt_past_the_context_is_refused(model: ChatOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await model.ainvoke("word " * 9000)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["type"] == "exceed_context_size_error"
    assert (refused.value.body["n_prompt_tokens"], refused.value.body["n_ctx"]) == (9031, 8192)


async def until(condition: Callable[[], bool], *, every: float) -> None:
    """Wait, looking every so many seconds, for what must come true within twenty."""
    deadline = time.monotonic() + 20
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(every)


async def test_leaving_a_stream_frees_the_model(model: ChatOpenAI, supervisor: Supervisor) -> None:
    endless = model.bind(max_tokens=4000, extra_body={"ignore_eos": True})
    async with aclosing(endless.astream("Tell me a story")) as stream:  # type: ignore[type-var]
        async for _ in stream:
            break
        assert is_busy(supervisor.url())
    await until(lambda: not is_busy(supervisor.url()), every=0.05)


async def test_cancelling_frees_the_model_while_it_reads(model: ChatOpenAI, supervisor: Supervisor) -> None:
    request = asyncio.create_task(model.ainvoke("a long text to read " * 1200))
    await until(lambda: is_busy(supervisor.url()), every=0.1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    # It looks after its clients once a second, between steps of reading. Asking in between would put that off.
    await until(lambda: not is_busy(supervisor.url()), every=4)


def test_browsers_are_not_let_in(supervisor: Supervisor) -> None:
    response = httpx2.get(f"{supervisor.url()}/health", headers={"Origin": "http://example.com"})
    assert response.headers.get("Access-Control-Allow-Origin") != "http://example.com"


def test_processes_share_it(model: ChatOpenAI, supervisor: Supervisor, data_dir: Path) -> None:
    url = supervisor.url()
    with other_process(data_dir) as (_, seen):
        assert seen["answer"]
        assert (seen["url"], seen["owner"], seen["child"]) == (url, os.getpid(), child_of(supervisor))


async def test_a_killed_one_is_replaced(model: ChatOpenAI, supervisor: Supervisor) -> None:
    await asyncio.to_thread(supervisor.url)
    killed = child_of(supervisor)
    os.kill(killed, signal.SIGKILL)
    assert (await model.ainvoke(HELLO, max_tokens=5)).text
    assert child_of(supervisor) != killed


async def test_one_killed_in_the_middle_of_an_answer_is_an_error_that_says_so(
    model: ChatOpenAI, supervisor: Supervisor
) -> None:
    supervisor.stop()  # or this would be the second end in a row, which is waited for

    async def kill_while_it_answers() -> None:
        async for _ in model.astream("Tell me a long story"):
            os.kill(child_of(supervisor), signal.SIGKILL)

    with pytest.raises(ModelFailed, match="stopped in the middle"):
        await kill_while_it_answers()
    assert (await model.ainvoke(HELLO, max_tokens=5)).text


def test_it_ends_with_an_owner_that_is_killed(settings: Settings, tmp_path: Path) -> None:
    with other_process(tmp_path) as (owner, seen):
        assert seen["owner"] == owner.pid
        assert is_healthy(seen["url"])
        owner.kill()
        until_gone(seen["url"])
    settings.LOCAL_MODEL, settings.DATA_DIR = "auto", tmp_path
    try:
        assert local_model.build_local_chat_model(max_tokens=5).invoke(HELLO).text
        state = local_model.shared_supervisor().state()
        assert state is not None
        assert state.owner == os.getpid()
    finally:
        local_model.stop()


def test_it_ends_with_an_owner_that_ends_as_it_should(tmp_path: Path) -> None:
    with other_process(tmp_path) as (owner, seen):
        assert owner.stdin is not None
        owner.stdin.close()
        assert owner.wait(5) == 0
        assert not is_healthy(seen["url"])
        assert sorted(path.suffix for path in (tmp_path / "local-model").iterdir()) == [".lock", ".log"]


def test_stop_ends_it(supervisor: Supervisor) -> None:
    url = supervisor.url()
    local_model.stop()
    assert not is_healthy(url)
    local_model.stop()


def test_its_process_carries_neither_django_nor_langchain() -> None:
    script = Path(local_model.__file__).with_name("server.py")
    load = (
        f"import runpy, sys; runpy.run_path({str(script)!r});"
        "print([name for name in ('agents', 'django', 'langchain_core', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-P", "-c", load], text=True).strip() == "[]"
