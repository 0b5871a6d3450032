"""What searches found, as text for a model: bounded, with the source of each."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_FINDING = 4_000  # characters of one finding
MAX_TEXT = 12_000  # characters of an answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `about` is a line on when, where and by whom."""

    title: str
    url: str
    text: str
    about: str = ""


def as_text(findings: Iterable[Finding], *, nothing: str = "Nothing was found.") -> str:
    """The findings one after another, each with its source; `nothing` where there are none."""
    parts = []
    left = MAX_TEXT
    for finding in findings:
        lines = [finding.title, finding.url, finding.about, finding.text]
        part = shorten("\n".join(line.strip() for line in lines if line and line.strip()), min(left, MAX_FINDING))
        if not part:
            continue
        parts.append(part)
        left -= len(part) + 2
        if left < 200:  # not worth beginning
            break
    return "\n\n".join(parts) or nothing


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of `text`; the last is … where some are missing."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def one_line(text: str | None) -> str:
    """`text` with every run of white space as one space."""
    return " ".join((text or "").split())
