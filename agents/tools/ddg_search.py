"""DuckDuckGo, by its page for browsers without scripts: it has no API for searches.

Limits: 5 results. It turns servers away that ask much, with a page that wants to see a human; the tool then says so.
PyPI `ddgs` blocks, brings an HTTP client in Rust that poses as a browser, and asks other engines than it says.
"""

import asyncio
from urllib.parse import parse_qs, urlsplit

from bs4 import BeautifulSoup
from bs4.element import Tag
from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import Finding, as_text, one_line
from agents.tools.http import Answer, Pace, Service, post
from agents.tools.kinds import NoConfig

RESULTS = 5
MAX_QUERY = 400  # characters: it refuses queries of more than 500

TURNED_AWAY = "DuckDuckGo takes this server for a robot and does not answer it now. Try again later, or another search."

SERVICE = Service(
    "ddg_search",
    "DuckDuckGo",
    "https://html.duckduckgo.com/html/",
    max_bytes=1024 * 1024,
    pace=Pace(1.0),
    refusals={403: TURNED_AWAY, 418: TURNED_AWAY},
)


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [ddg_search]


@tool
async def ddg_search(query: str) -> str:
    """Search the web with DuckDuckGo. Answers with the titles, addresses and beginnings of the best pages."""
    if not query.strip():
        raise ToolFailed("The query is empty.")
    answer = await post(SERVICE, "", data={"q": query[:MAX_QUERY]})
    if answer.status == 202:  # the page that wants to see a human
        raise ToolFailed(TURNED_AWAY)
    # In a thread: it takes a while for a long page.
    return as_text((await asyncio.to_thread(_read, answer))[:RESULTS])


def _read(answer: Answer) -> list[Finding]:
    page = BeautifulSoup(answer.body, "html.parser")
    results = page.select("div.result:not(.result--ad):not(.result--no-result)")
    if not results and page.select_one(".no-results, .result--no-result") is None:
        raise (
            ToolFailed(TURNED_AWAY) if page.select_one(".anomaly-modal__title, #challenge-form") else answer.nonsense()
        )
    return [finding for finding in map(_finding, results) if finding]


def _finding(result: Tag) -> Finding | None:
    link = result.select_one("a.result__a")
    address = _address(str(link.get("href", ""))) if link else None
    if link is None or address is None:
        return None
    snippet = result.select_one(".result__snippet")
    return Finding(one_line(link.get_text()), address, one_line(snippet.get_text() if snippet else ""))


def _address(href: str) -> str | None:
    """Where a link leads, without the redirection that DuckDuckGo puts before it; None for an advertisement."""
    target = urlsplit(href, scheme="https")
    if target.netloc.removeprefix("www.") == "duckduckgo.com":
        href = next(iter(parse_qs(target.query).get("uddg", [])), "")
        target = urlsplit(href)
    return href if target.scheme in ("http", "https") and target.netloc else None
