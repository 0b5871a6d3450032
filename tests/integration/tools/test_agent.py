"""An agent with tools: its graph is kept, and its tools act."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pytest_django import Settings

from agents import graphs
from agents.architectures.agent import tools_notice
from agents.config import parse_config
from agents.language_models.builtin_models import DEFAULT_LABEL, LOCAL_LABEL
from agents.language_models.catalogue import MODELS
from agents.retrieval import RunContext
from tests.services import FakeOpenAI, FakeToolServices

pytestmark = pytest.mark.once


async def open_graph(*tools: Any) -> Any:
    config = parse_config({"configurable": {"type==agent/tools": list(tools)}})
    return await graphs.open_graph(config, MODELS[DEFAULT_LABEL])


async def test_a_model_calls_a_tool_and_reads_what_it_found(
    services: FakeToolServices, openai_server: FakeOpenAI, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL = openai_server.base_url
    graphs.clear_cache()
    try:
        graph = await open_graph("Wikipedia", {"type": "search_tavily_answer"})
        assert await open_graph({"type": "wikipedia", "config": {}}, "Search (short answer, Tavily)") is graph
        asked = {"messages": [HumanMessage('TOOL:search_tavily_answer {"query": "capital of France"}')]}
        messages = (await graph.ainvoke(asked, context=RunContext()))["messages"]
        assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
        assert (messages[2].name, messages[2].content) == ("search_tavily_answer", "Paris.")
        assert messages[3].content == "Echo: tool said Paris."
        offered = openai_server.requests()[0]["body"]["tools"]
        assert [tool["function"]["name"] for tool in offered] == ["wikipedia", "search_tavily_answer"]
        assert offered[0]["function"]["parameters"]["properties"]["query"]["type"] == "string"
    finally:
        await graphs.aclose()


async def test_tools_that_are_not_what_they_were_are_told_and_the_others_act(
    services: FakeToolServices, openai_server: FakeOpenAI, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL = openai_server.base_url
    graphs.clear_cache()
    try:
        graph = await open_graph("my_old_tool", {"type": "mcp", "config": {"address": "a"}}, "search_tavily_answer")
        asked = {"messages": [HumanMessage('TOOL:search_tavily_answer {"query": "capital of France"}')]}
        _, notice, _, found, answer = (await graph.ainvoke(asked, context=RunContext()))["messages"]
        assert notice.content.splitlines() == [
            "This server has no tool my_old_tool any more.",
            "MCP server cannot be used: the config of mcp is wrong at url: Field required.",
        ]
        assert (found.content, answer.content) == ("Paris.", "Echo: tool said Paris.")
    finally:
        await graphs.aclose()


async def test_a_model_without_tools_names_those_that_are_gone_too() -> None:
    config = parse_config({"configurable": {"type==agent/tools": ["my_old_tool", "Wikipedia"]}})
    assert tools_notice(MODELS[LOCAL_LABEL], config.tools) == (
        "SmolLM2 135M (local) cannot use tools, so my_old_tool and Wikipedia were not used."
    )
