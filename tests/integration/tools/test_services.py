"""Each tool that asks a public service, against a server that answers as the service does."""

import dataclasses
import re
from time import monotonic
from typing import Any

import pytest
from langchain.tools import ToolRuntime
from pytest_django import Settings

from agents.errors import ToolFailed
from agents.tools import arxiv as arxiv_module
from agents.tools import http
from agents.tools.specs import ToolSpec
from agents.tools.toolset import open_tools
from tests.services import FakeToolServices

pytestmark = pytest.mark.once

NETWORKED = {
    "wikipedia": "Wikipedia",
    "arxiv": "arXiv",
    "pubmed": "PubMed",
    "search_tavily": "Tavily",
    "search_tavily_answer": "Tavily",
    "you_search": "You.com",
    "ddg_search": "DuckDuckGo",
    "dall_e": "The image model",
}


async def use(key: str, query: str) -> str:
    """What the tool answers, used as an agent uses it."""
    toolset = await open_tools((ToolSpec(key),))
    assert not toolset.problems
    tool: Any = toolset.tools[0]
    # What an agent gives to a tool that asks for it.
    runtime: ToolRuntime[Any, Any] = ToolRuntime(
        state={}, context=None, config={}, stream_writer=lambda _: None, tool_call_id=None, store=None
    )
    given = {"runtime": runtime} if "runtime" in tool.get_input_schema().model_fields else {}
    answer: Any = await tool.ainvoke({"query": query, **given})
    assert isinstance(answer, str)
    return answer


async def test_wikipedia(services: FakeToolServices) -> None:
    text = await use("wikipedia", "who wrote the first program?")
    best, other = text.split("\n\nAnalytical engine\n")
    assert best.startswith("Ada Lovelace\nhttps://en.wikipedia.org/wiki/Ada_Lovelace\nWhole text.")
    assert len(best) == 4000
    assert best.endswith("x…")
    assert other == "https://en.wikipedia.org/wiki/Analytical_engine\nA proposed computer."
    search, whole = services.requests()
    assert search["query"]["gsrsearch"] == "who wrote the first program?"
    assert whole["query"]["pageids"] == "58900"
    assert re.fullmatch(r"OpenGPTs-on-Django/\S+ \(admin@example.org\) httpx2/\S+", search["headers"]["user-agent"])


async def test_arxiv(services: FakeToolServices) -> None:
    assert await use("arxiv", "attention: all (you) need?") == (
        "Attention Is All You Need\nhttp://arxiv.org/abs/1706.03762v7\n"
        "Published 2017-06-12 by Ashish Vaswani, Noam Shazeer\n"
        "The dominant sequence transduction models are based on complex networks."
    )
    assert services.requests()[0]["query"]["search_query"] == "all:attention all:all all:you all:need"


async def test_arxiv_by_id(services: FakeToolServices) -> None:
    await use("arxiv", "1706.03762v7 hep-th/9901001")
    assert services.requests()[0]["query"]["id_list"] == "1706.03762v7,hep-th/9901001"


async def test_arxiv_expands_no_entities(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match="cannot be read"):
        await use("arxiv", "BOMB")


async def test_pubmed(services: FakeToolServices, settings: Settings) -> None:
    settings.NCBI_API_KEY = "ncbi-key"
    assert await use("pubmed", "coronavirus") == (
        "A Novel Coronavirus from Patients.\nhttps://pubmed.ncbi.nlm.nih.gov/31978945/\n"
        "The New England journal of medicine, 2020\n"
        "BACKGROUND: In December 2019 a cluster.\nMETHODS: We used 1H cells.\n\n"
        "Without abstract.\nhttps://pubmed.ncbi.nlm.nih.gov/2/\nIt has no abstract."
    )
    search, fetch = services.requests()
    assert search["query"]["term"] == "coronavirus"
    assert fetch["query"]["id"] == "31978945,2"
    for request in (search, fetch):
        assert request["query"]["email"] == "admin@example.org"
        assert request["query"]["api_key"] == "ncbi-key"
        assert request["query"]["tool"]


async def test_pubmed_says_that_it_is_busy(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match="PubMed did not do the search"):
        await use("pubmed", "BUSY")


async def test_tavily(services: FakeToolServices) -> None:
    found = "Capitals\nhttps://example.org/capital\nParis is the capital of France."
    assert await use("search_tavily", "capital of France") == found
    assert await use("search_tavily_answer", "capital of France") == "Paris."
    assert len(services.requests()) == 2


async def test_you(services: FakeToolServices) -> None:
    assert await use("you_search", "capital of France") == (
        "Capitals\nhttps://example.org/capital\n2026-10-01\nParis is the capital.\nIt lies on the Seine.\n\n"
        "News\nhttps://example.org/news\nFrom Paris."
    )


async def test_duckduckgo(services: FakeToolServices) -> None:
    assert await use("ddg_search", "capital & France") == (
        "Capitals of & the world\nhttps://example.org/capital\nParis is the capital of France.\n\n"
        "Paris\nhttps://example.org/paris?a=1\nParis is the capital of France."
    )
    assert services.requests()[0]["body"] == "q=capital+%26+France"


@pytest.mark.parametrize(
    ("key", "nothing"),
    [
        ("wikipedia", "Nothing was found."),
        ("arxiv", "No paper was found."),
        ("pubmed", "No article was found."),
        ("search_tavily", "Nothing was found."),
        ("search_tavily_answer", "There is no answer to that."),
        ("you_search", "Nothing was found."),
        ("ddg_search", "Nothing was found."),
    ],
)
async def test_nothing_found(services: FakeToolServices, key: str, nothing: str) -> None:
    assert await use(key, "EMPTY") == nothing


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("wikipedia", "Wikipedia refused the query."),
        ("arxiv", "arXiv refused the query."),
        ("pubmed", "PubMed refused the query."),
        ("search_tavily", "Tavily says that the plan's searches are used up."),
        ("search_tavily_answer", "Tavily says that the plan's searches are used up."),
        ("you_search", "You.com does not accept the key in YDC_API_KEY for searches."),
        ("ddg_search", "DuckDuckGo takes this server for a robot"),
        ("dall_e", "The image model does not make this image: its rules forbid it."),
    ],
)
async def test_a_service_that_refuses_says_why(services: FakeToolServices, key: str, sentence: str) -> None:
    with pytest.raises(ToolFailed) as raised:
        await use(key, "REFUSED")
    assert raised.value.message.startswith(sentence)


@pytest.mark.parametrize("key", NETWORKED)
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("FAIL:429", "{} says that it is asked too often. Try again in 7 seconds."),
        ("FAIL:500", "{} has a fault of its own (500). Try again later."),
        ("FAIL:503", "{} has a fault of its own (503). Try again later."),
        ("GARBAGE", "{} answered something that cannot be read."),
        ("CUT", "{} could not be reached."),
    ],
)
async def test_a_service_that_fails(services: FakeToolServices, key: str, script: str, sentence: str) -> None:
    with pytest.raises(ToolFailed) as raised:
        await use(key, script)
    assert raised.value.message == sentence.format(NETWORKED[key])
    assert (raised.value.code, raised.value.status) == ("tool_failed", 502)


@pytest.mark.parametrize(("key", "setting"), [("search_tavily", "TAVILY_API_KEY"), ("you_search", "YDC_API_KEY"),
                                              ("dall_e", "OPENAI_API_KEY")])  # fmt: skip
async def test_a_wrong_key(services: FakeToolServices, settings: Settings, key: str, setting: str) -> None:
    setattr(settings, setting, "wrong")
    with pytest.raises(ToolFailed, match=f"does not accept the key in {setting}"):
        await use(key, "query")


@pytest.mark.parametrize("key", NETWORKED)
async def test_a_service_that_cannot_be_reached(services: FakeToolServices, settings: Settings, key: str) -> None:
    settings.TOOL_URLS = dict.fromkeys(services.urls, "http://127.0.0.1:9/")
    with pytest.raises(ToolFailed, match=f"{NETWORKED[key]} could not be reached"):
        await use(key, "query")


async def test_an_answer_without_an_end_is_cut_off(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match="Wikipedia answered more than 4 MB"):
        await use("wikipedia", "HUGE")


async def test_a_service_that_does_not_answer(services: FakeToolServices, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = dataclasses.replace(arxiv_module.SERVICE, timeout=0.3)
    with pytest.raises(ToolFailed, match=r"arXiv did not answer within 0\.3 seconds"):
        await http.get(hasty, "", {"search_query": "STALL"})


async def test_redirects_within_the_server_are_followed(services: FakeToolServices) -> None:
    answer = await http.get(arxiv_module.SERVICE, "", {"search_query": "REDIRECT:/arxiv?search_query=x"})
    assert b"Attention" in answer.body


@pytest.mark.parametrize("target", ["http://127.0.0.2:1/", "ftp://127.0.0.1/", "http://[::1]/"])
async def test_redirects_elsewhere_without_tls_are_not(services: FakeToolServices, target: str) -> None:
    with pytest.raises(ToolFailed, match=re.escape("arXiv refused the request (302).")):
        await http.get(arxiv_module.SERVICE, "", {"search_query": f"REDIRECT:{target}"})


async def test_redirects_end(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match=re.escape("arXiv refused the request (302).")):
        await http.get(arxiv_module.SERVICE, "", {"search_query": "LOOP"})
    assert len(services.requests()) == 1 + http.MAX_REDIRECTS


async def test_a_key_follows_no_redirect(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match=re.escape("Tavily refused the request (302).")):
        await use("search_tavily", "REDIRECT:/you/v1/search")
    assert [request["path"] for request in services.requests()] == ["/tavily/search"]


async def test_requests_keep_their_distance() -> None:
    pace = http.Pace(0.05)
    began = monotonic()
    assert all([await pace.wait() for _ in range(3)])
    assert monotonic() - began >= 0.1
    assert await http.Pace(http.MAX_WAIT + 1).wait()


async def test_nobody_waits_for_long() -> None:
    pace = http.Pace(http.MAX_WAIT + 1)
    assert await pace.wait()
    assert not await pace.wait()
