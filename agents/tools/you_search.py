"""You.com's web search, by its API: https://docs.you.com/

Limits: 5 pages with 3 passages each. PyPI `youdotcom` is all of its API for what is one request here.
"""

from typing import Any

from django.conf import settings
from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import Finding, as_text, one_line
from agents.tools.http import Service, post
from agents.tools.kinds import NoConfig

PAGES = 5
PASSAGES = 3  # of each page
MAX_QUERY = 400  # characters

SERVICE = Service(
    "you_search",
    "You.com",
    "https://ydc-index.io",
    refusals={
        401: "You.com does not accept the key in YDC_API_KEY.",
        402: "You.com says that the account's credits are used up.",
        403: "You.com does not accept the key in YDC_API_KEY for searches.",
    },
)


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [you_search]


@tool
async def you_search(query: str) -> str:
    """Search the web and the news with You.com. Answers with the passages that fit and their sources."""
    if not query.strip():
        raise ToolFailed("The query is empty.")
    answer = await post(
        SERVICE,
        "/v1/search",
        headers={"x-api-key": settings.YDC_API_KEY},
        json={"query": query[:MAX_QUERY], "count": PAGES},
    )
    value = answer.json()
    results = value.get("results") if isinstance(value, dict) else None
    if not isinstance(results, dict):
        raise answer.nonsense()
    pages = [page for section in ("web", "news") for page in results.get(section) or [] if isinstance(page, dict)]
    return as_text(map(_finding, pages[: 2 * PAGES]))


def _finding(page: dict[str, Any]) -> Finding:
    passages = [one_line(str(passage)) for passage in page.get("snippets") or []][:PASSAGES]
    return Finding(
        one_line(page.get("title")),
        str(page.get("url", "")),
        "\n".join(passages) or one_line(page.get("description")),
        about=str(page.get("page_age") or "")[:10],
    )
