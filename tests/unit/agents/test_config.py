"""An assistant's config, as a run reads it."""

from typing import Any

import pytest

from agents.config import DEFAULT_SYSTEM_MESSAGE, AgentConfig, assistant_type, parse_config
from agents.errors import InvalidConfig
from agents.tools.specs import ToolSpec

pytestmark = pytest.mark.once


def parse(**configurable: Any) -> AgentConfig:
    return parse_config({"configurable": configurable})


@pytest.mark.parametrize("config", [None, {}, {"configurable": None}, {"configurable": {}}, {"other": 1}])
def test_an_empty_config_is_the_default_agent(config: Any) -> None:
    assert parse_config(config) == AgentConfig(type="agent", model=None, system_message="You are a helpful assistant.")


def test_an_agent() -> None:
    config = parse(
        **{
            "type": "agent",
            "type==agent/agent_type": "GPT 4o",
            "type==agent/system_message": "Be brief.",
            "type==agent/tools": ["Wikipedia"],
            "type==agent/interrupt_before_action": True,
            "type==agent/retrieval_description": "My files.",
            "type==chatbot/system_message": "of another type",
            "unknown": object(),
        }
    )
    assert config == AgentConfig("agent", "GPT 4o", "Be brief.", (ToolSpec("wikipedia"),), True, "My files.")


@pytest.mark.parametrize("kind", ["chatbot", "chat_retrieval"])
def test_the_other_types(kind: str) -> None:
    config = parse(
        **{
            "type": kind,
            f"type=={kind}/llm_type": "GPT 4 Turbo",
            f"type=={kind}/system_message": "Rhyme.",
            "type==agent/tools": ["Wikipedia"],
        }
    )
    assert (config.type, config.model, config.system_message) == (kind, "GPT 4 Turbo", "Rhyme.")
    assert config.tools == ()


def test_null_is_absent() -> None:
    config = parse(**{"type": None, "type==agent/system_message": None, "type==agent/tools": None})
    assert config == AgentConfig(system_message=DEFAULT_SYSTEM_MESSAGE)


def test_equal_configs_are_one_key() -> None:
    written = {"type": "agent", "type==agent/tools": ["Wikipedia"]}
    assert {parse(**written): "graph"}[parse(**written)] == "graph"


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        (["Wikipedia"], ("wikipedia",)),
        (["wikipedia"], ("wikipedia",)),
        ([{"type": "wikipedia", "config": {}}], ("wikipedia",)),
        ([{"type": "wikipedia", "config": {"id": number}} for number in range(100)], ("wikipedia",)),
        (["DDG Search", {"type": "ddg_search"}, "DuckDuckGo Search"], ("ddg_search",)),
        (["Search (short answer, Tavily)", "PubMed"], ("search_tavily_answer", "pubmed")),
        ([], ()),
    ],
)
def test_tools_in_every_form(tools: list[Any], names: tuple[str, ...]) -> None:
    assert parse(**{"type==agent/tools": tools}).tools == tuple(ToolSpec(name) for name in names)


@pytest.mark.parametrize(
    ("configurable", "named"),
    [
        ({"type": "robot"}, "type should be one of agent, chatbot, chat_retrieval."),
        ({"type": ["agent"]}, "type should be one of"),
        ({"type": ""}, "type should be one of"),
        ({"type==agent/system_message": 1}, "type==agent/system_message should be a string."),
        ({"type==agent/tools": "Wikipedia"}, "type==agent/tools should be a list."),
        ({"type==agent/tools": {"type": "wikipedia"}}, "type==agent/tools should be a list."),
        ({"type==agent/tools": [7]}, "type==agent/tools: a tool is a name, or an object"),
        ({"type==agent/tools": [{"config": {}}]}, "type==agent/tools: a tool is a name, or an object"),
        ({"type==agent/tools": [" "]}, "type==agent/tools: a tool is a name, or an object"),
        ({"type==agent/interrupt_before_action": "yes"}, "interrupt_before_action should be true or false."),
        ({"type==agent/retrieval_description": []}, "retrieval_description should be a string."),
    ],
)
def test_wrong_values_are_named(configurable: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        parse(**configurable)
    assert named in raised.value.message
    assert (raised.value.code, raised.value.status) == ("invalid_config", 422)


@pytest.mark.parametrize("config", [[], "text", {"configurable": []}, {"configurable": "text"}])
def test_a_config_of_the_wrong_shape_is_refused(config: Any) -> None:
    with pytest.raises(InvalidConfig):
        parse_config(config)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"configurable": {"type": "chat_retrieval"}}, "chat_retrieval"),
        ({"configurable": {"type": "chatbot"}}, "chatbot"),
        ({"configurable": {"type": "robot"}}, "agent"),
        ({"configurable": {"type": {}}}, "agent"),
        ({"configurable": []}, "agent"),
        ({}, "agent"),
        (None, "agent"),
        (7, "agent"),
    ],
)
def test_the_type_of_any_config(config: Any, kind: str) -> None:
    assert assistant_type(config) == kind


def test_tools_are_not_without_number() -> None:
    tools = [{"type": "mcp", "config": {"url": f"https://example.org/{number}"}} for number in range(65)]
    assert len(parse(**{"type==agent/tools": tools[:64]}).tools) == 64
    with pytest.raises(InvalidConfig, match="type==agent/tools should have 64 tools at most"):
        parse(**{"type==agent/tools": tools})
