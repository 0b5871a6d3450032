"""Plain text and Markdown."""

import re
from collections.abc import Iterable

from knowledge.formats.documents import Section, clean
from knowledge.formats.outline import Outline

_HEADING = re.compile(r" {0,3}(#{1,6})(?![^ \t])")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKUP = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|\[([^\[\]]{0,200})\]\([^)]{0,200}\)")


def read(text: str) -> Iterable[Section]:
    """The text as it is. Text that is empty has no sections."""
    text = clean(text)
    return [Section(text)] if text.strip() else []


def read_markdown(text: str) -> Iterable[Section]:
    """The text as it is written, by its headings."""
    outline = Outline()
    lines: list[str] = []
    fence = ""

    def flush() -> None:
        outline.paragraph("\n".join(lines))
        lines.clear()

    for line in clean(text).split("\n"):
        if fence:
            lines.append(line)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening := _FENCE.match(line):
            fence = opening[1]
            lines.append(line)
        elif heading := _HEADING.match(line):
            flush()
            outline.heading(len(heading[1]), _unmarked(line[heading.end() :].rstrip().rstrip("#")))
        elif (underline := _UNDERLINE.fullmatch(line)) and lines and lines[-1].strip() and not _is_row(lines):
            title = lines.pop()
            flush()
            outline.heading(1 if underline[1][0] == "=" else 2, _unmarked(title))
        else:
            lines.append(line)
    flush()
    return outline.sections()


def _is_row(lines: list[str]) -> bool:
    """Whether the last line is one of several, so that a line of dashes under it does not make it a heading."""
    return len(lines) > 1 and bool(lines[-2].strip())


def _unmarked(heading: str) -> str:
    return _MARKUP.sub(lambda match: match[1] or "", heading).strip()
