"""Wikipedia, by the API of MediaWiki: https://www.mediawiki.org/wiki/API:Main_page

Limits: 3 articles, the beginning of the best one and the introductions of the others; `agents.tools.http` and
`agents.tools.findings` for the rest. PyPI `wikipedia` was last released in 2014; `wikipedia-api` requires one exact
version of httpx, of click and of tenacity.
"""

from typing import Any

from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import Finding, as_text
from agents.tools.http import Service, get
from agents.tools.kinds import NoConfig

ARTICLES = 3
MAX_QUERY = 300  # characters: what the search takes

SERVICE = Service("wikipedia", "Wikipedia", "https://en.wikipedia.org/w/api.php")


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [wikipedia]


@tool
async def wikipedia(query: str) -> str:
    """Search Wikipedia. Answers with the text of the best article and the introductions of two others."""
    introduced = await _pages(
        {
            "generator": "search",
            "gsrsearch": query[:MAX_QUERY],
            "gsrlimit": ARTICLES,
            "prop": "extracts|info",
            "inprop": "url",
            "exintro": 1,
            "explaintext": 1,
            "exlimit": ARTICLES,
        }
    )
    found = sorted(introduced, key=lambda page: page.get("index", 0))
    if found:
        # Whole texts can be had of one article at a time only.
        best = await _pages({"pageids": found[0]["pageid"], "prop": "extracts", "explaintext": 1, "exlimit": 1})
        found[0] |= {"extract": best[0].get("extract") or found[0].get("extract", "")} if best else {}
    return as_text(Finding(page["title"], page.get("fullurl", ""), page.get("extract", "")) for page in found)


async def _pages(question: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await get(SERVICE, "", {"action": "query", "format": "json", "formatversion": 2, **question})
    value = answer.json()
    if not isinstance(value, dict):
        raise answer.nonsense()
    if "error" in value:
        raise ToolFailed("Wikipedia refused the query.")
    pages = (value.get("query") or {}).get("pages") or []
    if not isinstance(pages, list) or not all(isinstance(page, dict) and "pageid" in page for page in pages):
        raise answer.nonsense()
    return pages
