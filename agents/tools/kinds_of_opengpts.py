"""The tools that OpenGPTs brought, but for those that are given a URL: their keys, names, and what each needs."""

from collections.abc import Callable

from django.conf import settings

from agents.tools.kinds import ToolKind


def _needs(name: str, setting: str) -> Callable[[], str | None]:
    """The `why_not` of a tool that needs a key in this setting."""
    return lambda: None if getattr(settings, setting) else f"{name} needs {setting}."


def _ended(name: str) -> Callable[[], str | None]:
    """The `why_not` of a tool whose service is gone: configs that name it stay valid, and are told."""
    return lambda: f"{name} is not available: Kay.ai, the service behind it, has ended."


KINDS_OF_OPENGPTS = [
    ToolKind(
        "ddg_search",
        "DuckDuckGo Search",
        "Search the web with [DuckDuckGo](https://duckduckgo.com/).",
        "agents.tools.ddg_search:build",
    ),
    ToolKind(
        "search_tavily",
        "Search (Tavily)",
        "Uses the [Tavily](https://app.tavily.com/) search engine. Includes sources in the response.",
        "agents.tools.tavily:build_search",
        why_not=_needs("Search (Tavily)", "TAVILY_API_KEY"),
    ),
    ToolKind(
        "search_tavily_answer",
        "Search (short answer, Tavily)",
        "Uses the [Tavily](https://app.tavily.com/) search engine. Returns only the answer, no supporting evidence.",
        "agents.tools.tavily:build_answer",
        why_not=_needs("Search (short answer, Tavily)", "TAVILY_API_KEY"),
    ),
    ToolKind(
        "retrieval",
        "Retrieval",
        "Look up information in uploaded files.",
        "agents.tools.retrieval:build",
    ),
    ToolKind(
        "arxiv",
        "Arxiv",
        "Searches [Arxiv](https://arxiv.org/).",
        "agents.tools.arxiv:build",
    ),
    ToolKind(
        "you_search",
        "You.com Search",
        "Uses [You.com](https://you.com/) search, optimized responses for LLMs.",
        "agents.tools.you_search:build",
        why_not=_needs("You.com Search", "YDC_API_KEY"),
    ),
    ToolKind(
        "sec_filings_kai_ai",
        "SEC Filings (Kay.ai)",
        "Searched through SEC filings with Kay.ai, which has ended.",
        "",
        why_not=_ended("SEC Filings (Kay.ai)"),
    ),
    ToolKind(
        "press_releases_kai_ai",
        "Press Releases (Kay.ai)",
        "Searched through press releases with Kay.ai, which has ended.",
        "",
        why_not=_ended("Press Releases (Kay.ai)"),
    ),
    ToolKind(
        "pubmed",
        "PubMed",
        "Searches [PubMed](https://pubmed.ncbi.nlm.nih.gov/).",
        "agents.tools.pubmed:build",
    ),
    ToolKind(
        "wikipedia",
        "Wikipedia",
        "Searches [Wikipedia](https://www.wikipedia.org/).",
        "agents.tools.wikipedia:build",
    ),
    ToolKind(
        "dall_e",
        "Generate Image (Dall-E)",
        "Generates images from a text description with OpenAI's image model.",
        "agents.tools.dall_e:build",
        why_not=_needs("Generate Image (Dall-E)", "OPENAI_API_KEY"),
    ),
]
