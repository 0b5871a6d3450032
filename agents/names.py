"""Names that every provider of models takes, for tools and for their arguments."""

import re

MAX_NAME = 64
TOOL_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME}}}", re.ASCII)


def fit_name(text: str) -> str:
    """`text` with nothing in it but letters, digits, `_` and `-`; empty where nothing is left of it."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_")[:MAX_NAME]


def free_name(name: str, taken: set[str]) -> str:
    """`name`, with a number behind it if it is `taken`; it is taken then."""
    free, number = name, 1
    while free in taken:
        number += 1
        suffix = f"_{number}"
        free = name[: MAX_NAME - len(suffix)] + suffix
    taken.add(free)
    return free
