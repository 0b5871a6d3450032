"""Tavily's two tools, by its API: https://docs.tavily.com/documentation/api-reference/endpoint/search

Limits: 5 results. PyPI `tavily-python` brings requests and tiktoken for what is one request here.
"""

from typing import Any

from django.conf import settings
from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import MAX_FINDING, Finding, as_text, one_line, shorten
from agents.tools.http import Answer, Service, post
from agents.tools.kinds import NoConfig

RESULTS = 5
MAX_QUERY = 400  # characters: what it takes

SERVICE = Service(
    "search_tavily",
    "Tavily",
    "https://api.tavily.com",
    refusals={
        401: "Tavily does not accept the key in TAVILY_API_KEY.",
        432: "Tavily says that the plan's searches are used up.",
        433: "Tavily says that the limit of paid searches is reached.",
    },
)


async def build_search(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [search_tavily]


async def build_answer(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [search_tavily_answer]


@tool
async def search_tavily(query: str) -> str:
    """Search the web, for current events too. Answers with the passages that fit and their sources."""
    answer, value = await _ask(query, include_answer=False)
    results = value.get("results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise answer.nonsense()
    return as_text(
        Finding(one_line(result.get("title")), str(result.get("url", "")), str(result.get("content") or ""))
        for result in results
    )


@tool
async def search_tavily_answer(query: str) -> str:
    """Search the web, for current events too. Answers a question in a sentence or two, without sources."""
    _, value = await _ask(query, include_answer=True)
    answer = value.get("answer")
    return shorten(answer, MAX_FINDING) if isinstance(answer, str) and answer.strip() else "There is no answer to that."


async def _ask(query: str, *, include_answer: bool) -> tuple[Answer, dict[str, Any]]:
    if not query.strip():
        raise ToolFailed("The query is empty.")
    answer = await post(
        SERVICE,
        "/search",
        headers={"authorization": f"Bearer {settings.TAVILY_API_KEY}"},
        json={
            "query": query[:MAX_QUERY],
            "search_depth": "advanced",
            "max_results": RESULTS,
            "include_answer": include_answer,
        },
    )
    value = answer.json()
    if not isinstance(value, dict):
        raise answer.nonsense()
    return answer, value
