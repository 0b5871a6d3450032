"""The tools there are, and the names they are known by."""

import pytest

from agents.errors import InvalidConfig
from agents.names import TOOL_NAME
from agents.tools.catalogue import KINDS, available_tools, key_of
from agents.tools.specs import ToolSpec, parse_stored_tool, parse_tool

pytestmark = pytest.mark.once

OF_OPENGPTS = {
    "action_server_by_sema4ai",
    "ai_action_runner_by_connery",
    "ddg_search",
    "search_tavily",
    "search_tavily_answer",
    "retrieval",
    "arxiv",
    "you_search",
    "sec_filings_kai_ai",
    "press_releases_kai_ai",
    "pubmed",
    "wikipedia",
    "dall_e",
}


def test_all_tools_of_opengpts_and_more() -> None:
    assert set(KINDS) >= OF_OPENGPTS | {"mcp", "openapi"}
    assert len(KINDS) == len(list(KINDS))


def test_each_is_known_by_its_key_and_by_its_name() -> None:
    for key, kind in KINDS.items():
        assert TOOL_NAME.fullmatch(key)
        for name in (key, kind.name, kind.name.upper(), f" {key} "):
            assert key_of(name) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("DDG Search", "ddg_search"),
        ("Action Server by Robocorp", "action_server_by_sema4ai"),
        ("Wikipedia", "wikipedia"),
        ("Wikipedias", None),
        ("", None),
    ],
)
def test_other_names(name: str, key: str | None) -> None:
    assert key_of(name) == key


def test_what_has_ended_is_listed_and_says_so() -> None:
    listed = {tool.type: tool for tool in available_tools()}
    for key in ("sec_filings_kai_ai", "press_releases_kai_ai"):
        assert not listed[key].available
        assert "Kay.ai, the service behind it, has ended" in (listed[key].reason or "")
        assert parse_tool(key) == ToolSpec(key)
    assert listed["wikipedia"].available
    assert listed["wikipedia"].reason is None


def test_a_tool_as_the_web_page_of_opengpts_sends_it() -> None:
    sent = {"id": "6f1c", "type": "wikipedia", "name": "Wikipedia", "description": "Searches.", "config": {"left": ""}}
    assert parse_tool(sent) == ToolSpec("wikipedia")


@pytest.mark.parametrize("value", [{"type": "wikipedia", "config": []}, {"type": "wikipedia", "config": "text"}])
def test_a_config_is_an_object(value: object) -> None:
    with pytest.raises(InvalidConfig, match="the config of wikipedia should be an object"):
        parse_tool(value)


def test_a_stored_tool_that_is_gone_stays_named() -> None:
    for value in ("add", " add ", {"type": "add", "config": {"x": 1}}):
        assert parse_stored_tool(value) == ToolSpec("add")
        with pytest.raises(InvalidConfig, match="there is no tool '"):
            parse_tool(value)
    with pytest.raises(InvalidConfig, match="a tool is a name"):
        parse_stored_tool({"config": {}})


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"url": "x"}, "MCP server cannot be used: the config of mcp is wrong at url: "),
        ({"url": "https://a.example", "old": 1}, "MCP server cannot be used: the config of mcp is wrong at old: "),
        ([], "MCP server cannot be used: the config of mcp should be an object."),
    ],
)
def test_a_stored_config_that_is_wrong_by_now_is_a_problem(config: object, problem: str) -> None:
    spec = parse_stored_tool({"type": "mcp", "config": config})
    assert spec.type == "mcp"
    assert spec.problem.startswith(problem)
    with pytest.raises(InvalidConfig):
        parse_tool({"type": "mcp", "config": config})


def test_a_stored_tool_that_is_right_is_the_same() -> None:
    for value in ("Wikipedia", {"type": "mcp", "config": {"url": "https://a.example"}}):
        assert parse_stored_tool(value) == parse_tool(value)
