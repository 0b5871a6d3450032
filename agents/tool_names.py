"""The tools of OpenGPTs: the key that names each in an assistant's config, and the name people see.

They are known by name only: no tool acts yet.
"""

# Type key -> the name that people see.
DISPLAY_NAMES = {
    "action_server_by_sema4ai": "Action Server by Sema4.ai",
    "ai_action_runner_by_connery": "AI Action Runner by Connery",
    "ddg_search": "DuckDuckGo Search",
    "search_tavily": "Search (Tavily)",
    "search_tavily_answer": "Search (short answer, Tavily)",
    "retrieval": "Retrieval",
    "arxiv": "Arxiv",
    "you_search": "You.com Search",
    "sec_filings_kai_ai": "SEC Filings (Kay.ai)",
    "press_releases_kai_ai": "Press Releases (Kay.ai)",
    "pubmed": "PubMed",
    "wikipedia": "Wikipedia",
    "dall_e": "Generate Image (Dall-E)",
}

_EARLIER_NAMES = {
    "ddg search": "ddg_search",
    "action server by robocorp": "action_server_by_sema4ai",
}
_KEY_OF_NAME = {name.lower(): key for key, name in DISPLAY_NAMES.items()} | _EARLIER_NAMES


def tool_key(name: str) -> str:
    """The type key of the tool that `name` (a type key or a display name, in any case) means; `name` if unknown."""
    wanted = name.strip().lower()
    return wanted if wanted in DISPLAY_NAMES else _KEY_OF_NAME.get(wanted, name.strip())


def display_name(key: str) -> str:
    """The name that people see for the tool `key`; the key itself for a tool that is not in the list."""
    return DISPLAY_NAMES.get(key, key)
