"""PubMed, by NCBI's E-utilities: https://www.ncbi.nlm.nih.gov/books/NBK25500/

Limits: 3 articles; 3 requests a second as NCBI asks. `biopython` blocks; `pymed` was last released in 2019.
"""

from typing import Any
from xml.etree.ElementTree import Element  # nosec B405  # a type; defusedxml parses

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from django.conf import settings
from langchain_core.tools import BaseTool, tool

from agents.errors import ToolFailed
from agents.tools.findings import Finding, as_text, one_line
from agents.tools.http import Answer, Pace, Service, get
from agents.tools.kinds import NoConfig

ARTICLES = 3
MAX_QUERY = 300  # characters

SERVICE = Service("pubmed", "PubMed", "https://eutils.ncbi.nlm.nih.gov/entrez/eutils", pace=Pace(0.34))


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [pubmed]


@tool
async def pubmed(query: str) -> str:
    """Search PubMed for articles on medicine and the life sciences. Answers with their abstracts."""
    ids = await _search(query[:MAX_QUERY])
    if not ids:
        return "No article was found."
    answer = await _ask("/efetch.fcgi", {"id": ",".join(ids), "retmode": "xml"})
    try:
        articles = fromstring(answer.body).findall("PubmedArticle")
    except (ParseError, DefusedXmlException) as exc:
        raise answer.nonsense() from exc
    return as_text(map(_finding, articles), nothing="No article was found.")


async def _search(query: str) -> list[str]:
    answer = await _ask("/esearch.fcgi", {"term": query, "retmode": "json", "retmax": ARTICLES, "sort": "relevance"})
    value = answer.json()
    result = value.get("esearchresult") if isinstance(value, dict) else None
    if not isinstance(result, dict):
        # With "error" it says what it does not like, such as too many requests, under a good status.
        raise ToolFailed("PubMed did not do the search. Try again later.") if _has_error(value) else answer.nonsense()
    if "ERROR" in result:
        raise ToolFailed("PubMed refused the query.")
    return [str(number) for number in result.get("idlist", []) if str(number).isdigit()][:ARTICLES]


def _has_error(value: Any) -> bool:
    return isinstance(value, dict) and "error" in value


async def _ask(path: str, question: dict[str, Any]) -> Answer:
    who = {"tool": "opengpts-on-django", "email": settings.TOOLS_CONTACT if "@" in settings.TOOLS_CONTACT else ""}
    return await get(SERVICE, path, {"db": "pubmed", **question, **who, "api_key": settings.NCBI_API_KEY})


def _finding(article: Element) -> Finding:
    number = one_line(article.findtext("MedlineCitation/PMID"))
    body = article.find("MedlineCitation/Article")
    if body is None:
        return Finding(f"PubMed {number}", _address(number), "")
    journal = one_line(body.findtext("Journal/Title"))
    year = one_line(body.findtext("Journal/JournalIssue/PubDate/Year"))
    return Finding(
        _all_text(body.find("ArticleTitle")),
        _address(number),
        "\n".join(map(_paragraph, body.iterfind("Abstract/AbstractText"))) or "It has no abstract.",
        about=", ".join(part for part in (journal, year) if part),
    )


def _address(number: str) -> str:
    return f"https://pubmed.ncbi.nlm.nih.gov/{number}/"


def _paragraph(part: Element) -> str:
    label = part.get("Label")
    return f"{label}: {_all_text(part)}" if label else _all_text(part)


def _all_text(element: Element | None) -> str:
    """With the text of what is marked up within, such as <i>."""
    return one_line("".join(element.itertext())) if element is not None else ""
