"""Models of one's own, and what runs use of them, through the public API of a real server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

MAKE_MODEL = """
from agents.models import LanguageModel
model = LanguageModel(label="vLLM", model="openai:mine", base_url="{base_url}", key_env="VLLM_KEY",
                      context_window=32000, input_price="2.5", output_price="10", parameters={{"temperature": 0.2}})
model.full_clean()
model.save()
LanguageModel.objects.filter(label="GEMINI").update(enabled=False)
LanguageModel.objects.create(label="Broken", model="openai:mine", base_url="{base_url}", parameters={{"n": -1}})
"""


@pytest.fixture(scope="module")
def vllm() -> Iterator[FakeOpenAI]:
    """A second server that speaks OpenAI's API."""
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def alice(request: pytest.FixtureRequest, database_url: str, vllm: FakeOpenAI) -> Iterator[LiveClient]:
    """A client of a server without a key for OpenAI, with a model of its own."""
    vllm.forget()
    settings = {"OPENAI_API_KEY": "", "LOCAL_MODEL": "off", "VLLM_KEY": "k-of-vllm", "ANTHROPIC_API_KEY": "sk-secret"}
    name = request.config.getoption("--server")
    with LiveServer(database_url, server=name, **settings) as server:
        server.manage("shell", "--no-imports", "-c", MAKE_MODEL.format(base_url=vllm.base_url))
        yield LiveClient(server.url)


def thread_with(client: LiveClient, label: str) -> str:
    return client.make_thread(**{"type": "chatbot", "type==chatbot/llm_type": label})


def run(client: LiveClient, thread: str, text: str) -> dict[str, Any]:
    return client.wait_for_run(client.start_run(thread, text))


def test_models_of_ones_own(alice: LiveClient, vllm: FakeOpenAI) -> None:
    listed = {model.pop("label"): model for model in alice.get("/models")}
    assert listed["vLLM"] == {
        "model": "openai:mine",
        "available": True,
        "reason": None,
        "can_use_tools": True,
        "can_see_images": True,
        "context_window": 32000,
        "input_price": "2.5",
        "output_price": "10",
        "is_default": False,
    }
    assert listed["GEMINI"]["reason"] == "GEMINI is switched off."
    assert listed["GPT 4o"]["reason"] == "GPT 4o needs OPENAI_API_KEY."
    assert "pip install -r requirements.txt langchain-anthropic)" in listed["Claude 2"]["reason"]
    assert "sk-secret" not in alice("GET", "/models").text

    thread = thread_with(alice, "vLLM")
    done = run(alice, thread, "TOKENS:4")
    assert done["status"] == "success"
    assert done["usage"] == {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14, "estimated": False}
    assert (done["model"], Decimal(done["cost"])) == ("vLLM", Decimal("0.000065"))
    (asked,) = vllm.requests()
    assert (asked["authorization"], asked["body"]["model"]) == ("Bearer k-of-vllm", "mine")
    assert asked["body"]["temperature"] == 0.2

    done = run(alice, thread, "NOUSAGE how many tokens are these?")
    assert done["usage"]["estimated"]
    assert done["usage"]["input_tokens"] > 10
    assert Decimal(done["cost"]) > 0

    for label, said in {
        "GEMINI": "GEMINI is switched off. Choose another model.",
        "GPT 4o": "GPT 4o needs OPENAI_API_KEY. Provide what is missing, or choose another model.",
        "Broken": "Broken cannot be used: its package does not take what is set for it.",
    }.items():
        thread = thread_with(alice, label)
        done = run(alice, thread, "hi")
        assert (done["status"], done["error"]["code"]) == ("error", "model_unavailable")
        assert done["error"]["message"].startswith(said)
        assert (done["model"], done["usage"], done["cost"]) == (None, None, None)
        assert alice.said(thread) == [("human", "hi")]


def test_runs_at_once_are_counted_apart(alice: LiveClient) -> None:
    counts = list(range(1, 17))
    threads = [thread_with(alice, "vLLM") for _ in counts]
    runs = [alice.start_run(thread, f"TOKENS:{n} DELAY:10") for thread, n in zip(threads, counts, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(alice.wait_for_run, runs))
    assert [one["usage"]["output_tokens"] for one in done] == counts
    assert [Decimal(one["cost"]) for one in done] == [(25 + 10 * Decimal(n)) / 1_000_000 for n in counts]


def test_what_a_stopped_server_used_is_not_lost(
    request: pytest.FixtureRequest, database_url: str, vllm: FakeOpenAI
) -> None:
    if request.config.getoption("--server") == "daphne":
        pytest.skip("daphne tells no application that it stops")
    vllm.forget()
    settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": vllm.base_url}
    with LiveServer(database_url, **settings) as server:
        client = LiveClient(server.url)
        run_id = client.start_run(client.make_thread(type="chatbot"), "TOKENS:20 DELAY:100")
        wait_until(lambda: len(vllm.requests()) == 1)
        time.sleep(0.5)
        server.restart()
        done = client.wait_for_run(run_id)
    assert (done["status"], done["attempts"]) == ("success", 2)
    assert done["usage"]["estimated"]
    # The whole answer of the second attempt, and what had come of the first.
    assert done["usage"]["input_tokens"] > 10
    assert done["usage"]["output_tokens"] > 20


def test_everyone_who_is_identified_may_look(alice: LiveClient) -> None:
    assert alice("GET", "/models/").json() == alice.get("/models")
    assert alice("POST", "/models", {}).status_code == 405
