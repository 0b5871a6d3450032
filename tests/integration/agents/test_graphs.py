"""The cache of graphs and models."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from pytest_django import Settings

from agents import graphs
from agents.chat_models import build_model
from agents.config import AgentConfig
from agents.errors import ModelUnavailable
from tests.integration.agents.conftest import ThreadMaker
from tests.services import FakeOpenAI

pytestmark = pytest.mark.once


def test_equal_configs_share_a_graph(openai: FakeOpenAI) -> None:
    graph = graphs.graph_for(AgentConfig(system_message="a"))
    assert graphs.graph_for(AgentConfig(system_message="a")) is graph
    assert graphs.graph_for(AgentConfig(system_message="b")) is not graph


def test_graphs_of_one_label_share_a_model(openai: FakeOpenAI) -> None:
    assert build_model("GPT 4o") is build_model("GPT 4o")
    assert build_model(None) is build_model("GPT 3.5 Turbo")


def test_threads_may_ask_at_once(openai: FakeOpenAI) -> None:
    configs = [AgentConfig(system_message=str(number % 4)) for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        for config, graph in zip(configs, threads.map(graphs.graph_for, configs), strict=True):
            assert "messages" in graph.channels
            assert graphs.graph_for(config) is graphs.graph_for(config)


def test_a_copy_takes_the_saver_and_the_cached_graph_has_none(openai: FakeOpenAI) -> None:
    saver = InMemorySaver()
    graph = graphs.graph_for(AgentConfig())
    assert graph.copy(update={"checkpointer": saver}).checkpointer is saver
    assert graph.checkpointer is None


async def test_a_missing_key_is_said_although_the_graph_was_cached(settings: Settings, openai: FakeOpenAI) -> None:
    graphs.graph_for(AgentConfig(model="GPT 4o"))
    settings.OPENAI_API_KEY = ""
    with pytest.raises(ModelUnavailable, match="needs OPENAI_API_KEY"):
        graphs.graph_for(AgentConfig(model="GPT 4o"))


async def test_a_cleared_cache_sees_new_settings(settings: Settings, openai: FakeOpenAI, thread: ThreadMaker) -> None:
    await thread().run("hi")
    settings.OPENAI_API_KEY = "another-key"
    graphs.clear_cache()
    await thread().run("hi")
    assert [request["authorization"] for request in openai.requests()] == ["Bearer a-key", "Bearer another-key"]


def test_warming_up_needs_no_model(settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "", "off"
    graphs.warm_up()


def test_importing_the_door_is_light() -> None:
    program = (
        "import django, sys; django.setup()\n"
        "import agents.config, agents.catalogue, agents.graphs, agents.model_errors, agents.retrieval\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'agents'" in loaded
    assert not [name for name in ("langchain", "langgraph", "openai") if f"'{name}" in loaded]
