"""arXiv, by its API: https://info.arxiv.org/help/api/user-manual.html

Limits: 3 papers, one request in 3 seconds as its terms of use ask. PyPI `arxiv` blocks, and has one address built in.
"""

import re
from xml.etree.ElementTree import Element  # nosec B405  # a type; defusedxml parses

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import Finding, as_text, one_line
from agents.tools.http import Pace, Service, get
from agents.tools.kinds import NoConfig

PAPERS = 3
MAX_QUERY = 300  # characters

SERVICE = Service("arxiv", "arXiv", "https://export.arxiv.org/api/query", pace=Pace(3.0))
ATOM = "{http://www.w3.org/2005/Atom}"
# "2301.12345", "2301.12345v2", "hep-th/9901001": a query of nothing else asks for these papers.
_PAPER_ID = re.compile(r"\d{4}\.\d{4,5}(v\d+)?|[a-z-]+(\.[A-Z]{2})?/\d{7}(v\d+)?", re.ASCII)


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [arxiv]


@tool
async def arxiv(query: str) -> str:
    """Search arXiv for papers on physics, mathematics, computer science and more, or look papers up by their ids."""
    words = query[:MAX_QUERY].split()
    if words and all(_PAPER_ID.fullmatch(word) for word in words):
        question = {"id_list": ",".join(words[:PAPERS])}
    else:
        # Punctuation is syntax there, and a word of a model's sentence seldom means it so.
        question = {"search_query": " ".join(f"all:{word}" for word in re.findall(r"\w+", " ".join(words)))}
    if not any(question.values()):
        raise ToolFailed("The query has no words to search for.")
    answer = await get(SERVICE, "", {**question, "max_results": PAPERS})
    try:
        feed = fromstring(answer.body)
    except (ParseError, DefusedXmlException) as exc:
        raise answer.nonsense() from exc
    if feed.tag != f"{ATOM}feed":
        raise answer.nonsense()
    entries = feed.findall(f"{ATOM}entry")
    if entries and _text(entries[0], "id").startswith(("http://arxiv.org/api/errors", "https://arxiv.org/api/errors")):
        raise ToolFailed("arXiv refused the query.")
    return as_text(map(_finding, entries), nothing="No paper was found.")


def _finding(entry: Element) -> Finding:
    authors = [one_line(name.text) for name in entry.iterfind(f"{ATOM}author/{ATOM}name")]
    listed = ", ".join(authors[:5]) + (" and others" if len(authors) > 5 else "")
    return Finding(
        _text(entry, "title"),
        _text(entry, "id"),
        _text(entry, "summary"),
        about=f"Published {_text(entry, 'published')[:10]} by {listed}",
    )


def _text(entry: Element, name: str) -> str:
    return one_line(entry.findtext(f"{ATOM}{name}"))
