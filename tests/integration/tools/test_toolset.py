"""Tools of a run: built once, kept, and named apart."""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, ClassVar

import pytest
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel
from pytest_django import Settings

from agents.errors import ToolUnavailable
from agents.tools import catalogue, toolset
from agents.tools.kinds import ToolKind
from agents.tools.specs import ToolSpec
from agents.tools.toolset import NO_TOOLS, open_tools

pytestmark = pytest.mark.once


class Config(BaseModel):
    """What the kind of these tests takes."""

    name: str = "echo"
    how: str = "well"


class Builder:
    """Builds what a config says, slowly, and counts."""

    count: ClassVar[int] = 0
    seconds: ClassVar[float] = 0.05


async def build(config: Config) -> list[BaseTool]:
    Builder.count += 1
    await asyncio.sleep(Builder.seconds)
    if config.how == "unavailable":
        raise ToolUnavailable("There is nothing at that address.")
    if config.how == "broken":
        raise RuntimeError("a secret of the inside")

    async def echo(text: str) -> str:
        return text

    return [StructuredTool.from_function(coroutine=echo, name=config.name, description="Say it again.")]


@pytest.fixture(autouse=True)
async def kind(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A kind `test_kind` in the catalogue, whose tools last 60 seconds."""
    made = ToolKind("test_kind", "Test Kind", "", f"{__name__}:build", config_model=Config, lasts=60.0)
    monkeypatch.setitem(catalogue.BUILT_IN, made.key, made)
    catalogue._with_own.cache_clear()
    monkeypatch.setattr(Builder, "count", 0)
    toolset.clear_cache()
    yield
    catalogue._with_own.cache_clear()
    await toolset.aclose()


def spec(**config: Any) -> ToolSpec:
    return ToolSpec("test_kind", Config(**config).model_dump_json())


async def test_no_tools() -> None:
    assert await open_tools(()) is NO_TOOLS


async def test_the_same_specs_give_the_same_object() -> None:
    first = await open_tools((spec(), ToolSpec("wikipedia")))
    assert await open_tools((spec(), ToolSpec("wikipedia"))) is first
    assert await open_tools((spec(),)) is not first
    assert Builder.count == 1


async def test_many_at_once_share_one_build() -> None:
    opened = await asyncio.gather(*(open_tools((spec(),)) for _ in range(10)))
    assert len(set(map(id, opened))) == 1
    assert Builder.count == 1


async def test_one_who_leaves_does_not_take_the_build_along() -> None:
    leaving = asyncio.create_task(open_tools((spec(),)))
    staying = asyncio.create_task(open_tools((spec(),)))
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert len((await staying).tools) == 1


async def test_tools_are_built_anew_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first = await open_tools((spec(),))
    now = monotonic()
    monkeypatch.setattr(toolset, "monotonic", lambda: now + 61)
    second = await open_tools((spec(),))
    assert second is not first
    assert second.tools[0] is not first.tools[0]
    assert Builder.count == 2


async def test_a_failure_is_tried_again_soon_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = (spec(how="unavailable"), ToolSpec("wikipedia"))
    first = await open_tools(failing)
    assert first.problems == ("Test Kind: There is nothing at that address.",)
    assert [tool.name for tool in first.tools] == ["wikipedia"]
    assert await open_tools(failing) is first
    assert Builder.count == 1
    now = monotonic()
    monkeypatch.setattr(toolset, "monotonic", lambda: now + toolset.FAILURE_LASTS + 1)
    assert await open_tools(failing) is first
    assert Builder.count == 2


async def test_a_surprise_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert (await open_tools((spec(how="broken"),))).problems == ("Test Kind could not be opened.",)
    assert "a secret of the inside" in caplog.text


async def test_opening_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolset, "OPEN_TIMEOUT", 0.05)
    monkeypatch.setattr(Builder, "seconds", 5.0)
    assert (await open_tools((spec(),))).problems == ("Test Kind could not be opened within 0.05 seconds.",)


async def test_what_needs_a_key_becomes_available_with_it(settings: Settings) -> None:
    settings.TAVILY_API_KEY = ""
    opened = await open_tools((ToolSpec("search_tavily"), ToolSpec("sec_filings_kai_ai")))
    assert opened.tools == ()
    assert opened.problems == (
        "Search (Tavily) needs TAVILY_API_KEY.",
        "SEC Filings (Kay.ai) is not available: Kay.ai, the service behind it, has ended.",
    )
    settings.TAVILY_API_KEY = "tvly-key"
    assert [tool.name for tool in (await open_tools((ToolSpec("search_tavily"),))).tools] == ["search_tavily"]


async def test_a_kind_that_is_gone() -> None:
    opened = await open_tools((ToolSpec("my_old_tool"),))
    assert opened.problems == ("This server has no tool my_old_tool any more.",)


async def test_names_are_told_apart() -> None:
    long = "n" * 70
    names = ["a b.c/é", "echo", "echo", long, long + "m"]
    specs = tuple(spec(name=name, how=str(number)) for number, name in enumerate(names))
    opened = await open_tools(specs)
    assert [tool.name for tool in opened.tools] == ["a_b_c", "echo", "echo_2", "n" * 64, "n" * 62 + "_2"]
    assert await opened.tools[2].ainvoke({"text": "hello"}) == "hello"


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolset, "_SPECS_KEPT", 2)
    monkeypatch.setattr(Builder, "seconds", 0.0)
    for name in ("a", "b", "a", "c", "a"):
        await open_tools((spec(name=name),))
    assert Builder.count == 3
    await open_tools((spec(name="b"),))
    assert Builder.count == 4


async def test_a_model_is_not_sent_more_tools_than_it_takes() -> None:
    opened = await open_tools(tuple(spec(name=f"echo{number}") for number in range(130)))
    assert len(opened.tools) == 128
    assert opened.problems == ("These are 130 tools, and a model takes 128: the others are left out.",)
