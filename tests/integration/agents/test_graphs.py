"""The cache of graphs and models."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.memory import InMemorySaver
from pytest_django import Settings

from agents import graphs
from agents.config import AgentConfig
from agents.language_models import chat_models
from agents.language_models.builtin_models import DEFAULT_LABEL, LOCAL_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.model_entry import ModelEntry
from agents.tools.specs import ToolSpec
from tests.integration.agents.conftest import ThreadMaker
from tests.services import FakeOpenAI

pytestmark = pytest.mark.once

ENTRY = MODELS[DEFAULT_LABEL]


def test_equal_configs_share_a_graph(openai: FakeOpenAI) -> None:
    graph = graphs.graph_for(AgentConfig(system_message="a"), ENTRY)
    assert graphs.graph_for(AgentConfig(system_message="a"), ENTRY) is graph
    assert graphs.graph_for(AgentConfig(system_message="b"), ENTRY) is not graph


def test_graphs_of_one_model_share_it(openai: FakeOpenAI) -> None:
    assert build_model(MODELS["GPT 4o"]) is build_model(replace(MODELS["GPT 4o"], label="Mine", input_price=None))
    assert build_model(MODELS["GPT 4o"]) is not build_model(replace(MODELS["GPT 4o"], options="{}"))


def test_a_changed_entry_is_another_graph(openai: FakeOpenAI) -> None:
    changed = replace(ENTRY, context_window=100)
    assert graphs.graph_for(AgentConfig(), changed) is not graphs.graph_for(AgentConfig(), ENTRY)


def test_threads_may_ask_at_once(openai: FakeOpenAI) -> None:
    configs = [AgentConfig(system_message=str(number % 4)) for number in range(64)]
    graph_for = partial(graphs.graph_for, entry=ENTRY)
    with ThreadPoolExecutor(8) as threads:
        for config, graph in zip(configs, threads.map(graph_for, configs), strict=True):
            assert "messages" in graph.channels
            assert graphs.graph_for(config, ENTRY) is graphs.graph_for(config, ENTRY)


async def test_the_event_loop_does_not_wait_for_a_graph(openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()
    go_on = threading.Event()

    def build(entry: ModelEntry) -> BaseChatModel:
        began.set()
        assert go_on.wait(10)
        return build_model(entry)

    monkeypatch.setattr(chat_models, "build_model", build)
    opening = asyncio.create_task(graphs.open_graph(AgentConfig(), ENTRY))
    while not began.is_set():  # noqa: ASYNC110  (set in a thread)
        await asyncio.sleep(0.001)
    go_on.set()
    assert await opening is graphs.graph_for(AgentConfig(), ENTRY)


def test_a_copy_takes_the_saver_and_the_cached_graph_has_none(openai: FakeOpenAI) -> None:
    saver = InMemorySaver()
    graph = graphs.graph_for(AgentConfig(), ENTRY)
    assert graph.copy(update={"checkpointer": saver}).checkpointer is saver
    assert graph.checkpointer is None


async def test_a_cleared_cache_sees_new_settings(settings: Settings, openai: FakeOpenAI, thread: ThreadMaker) -> None:
    await thread().run("hi")
    settings.OPENAI_API_KEY = "another-key"
    graphs.clear_cache()
    await thread().run("hi")
    assert [request["authorization"] for request in openai.requests()] == ["Bearer a-key", "Bearer another-key"]


def test_warming_up_needs_no_model(settings: Settings) -> None:
    settings.LOCAL_MODEL = "off"
    graphs.warm_up(None)
    graphs.warm_up(MODELS[LOCAL_LABEL])


def test_importing_the_door_is_light() -> None:
    program = (
        "import django, sys; django.setup()\n"
        "import agents.config, agents.graphs, agents.retrieval\n"
        "import agents.language_models.catalogue, agents.language_models.model_errors\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'agents'" in loaded
    assert not [name for name in ("langchain", "langgraph", "openai") if f"'{name}" in loaded]


@pytest.mark.parametrize(
    "config",
    [
        AgentConfig(),
        AgentConfig(tools=(ToolSpec("retrieval"),)),
        AgentConfig(tools=(ToolSpec("retrieval"), ToolSpec("wikipedia")), interrupt_before_action=True),
        AgentConfig(type="chatbot"),
        AgentConfig(type="chat_retrieval"),
    ],
    ids=["agent", "tools", "asking", "chatbot", "chat_retrieval"],
)
@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, can_use_tools=False)], ids=["able", "unable"])
async def test_what_is_drawn_is_what_runs(openai: FakeOpenAI, config: AgentConfig, entry: ModelEntry) -> None:
    runs = (await graphs.open_graph(config, entry)).get_graph().to_json()
    for node in runs["nodes"]:
        node.pop("metadata", None)
    assert graphs.draw_graph(config, entry) == runs
