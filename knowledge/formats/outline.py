"""Collects a document's lines under its headings."""

import re
from collections.abc import Iterable, Iterator, Sequence

from knowledge.formats.documents import Section, clean, section_name

# Characters. Rows of a table are put together up to this size, each group under the table's header. A group fits
# a passage (see `knowledge.splitting`), so no passage holds rows without their header.
ROWS_SIZE = 900
# The header of a table is among its first rows that are not empty (a title may stand above it), and is short.
HEADER_WITHIN = 5
NAME_LENGTH = 60
_FIGURE = re.compile(r"[-+\d.,:/%\s()$€£¥]+")


class Outline:
    """The sections of a document in the making: call `heading`, `paragraph`, `item` and `table` in reading order.

    `title` names the first section until a heading does: the sheet's name, the chapter's title.
    """

    def __init__(self, *, page: int | None = None, title: str | None = None) -> None:
        self._page = page
        self._title = title
        self._path: list[tuple[int, str]] = []
        self._parts: list[str] = []
        self._only_headings = True
        self._sections: list[Section] = []

    def heading(self, level: int, text: str) -> None:
        """A heading of a level, 1 being the highest. A section begins here."""
        text = " ".join(clean(text).split())
        if not text:
            return
        # A heading that nothing stands under is kept with what comes next.
        if not self._only_headings:
            self._close()
        self._path = [(above, name) for above, name in self._path if above < level] + [(level, text)]
        self._parts.append(text + "\n\n")

    def paragraph(self, text: str) -> None:
        """A stretch of text that stands by itself."""
        self._add(text, "\n\n")

    def item(self, text: str) -> None:
        """A line that belongs to those around it: of a list, of a verse."""
        self._add(text, "\n")

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """A table's rows. Each group of them that fits a passage becomes a part with the header repeated."""
        for group in row_groups(rows):
            self._add(group, "\n\n")

    def _add(self, text: str, end: str) -> None:
        text = clean(text).rstrip()
        if text.strip():
            if end == "\n\n" and self._parts and not self._parts[-1].endswith(end):
                self._parts.append("\n")
            self._parts.append(text + end)
            self._only_headings = False

    def _close(self) -> None:
        text = clean("".join(self._parts)).strip()
        if text:
            name = section_name(*(name for _, name in self._path)) or section_name(self._title or "")
            self._sections.append(Section(text, self._page, name))
        self._parts, self._only_headings = [], True

    def sections(self) -> list[Section]:
        """What was collected. Ends the last section."""
        self._close()
        return self._sections


def row_groups(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The rows as text, in groups of up to `ROWS_SIZE` characters that each begin with the table's header.

    A row that is too wide to stand with the header has the column's name before each of its cells instead.
    """
    under, group, size = "", list[str](), 0
    for header, line in _lines(rows):
        if group and (header != under or size + 1 + len(line) > ROWS_SIZE):
            yield "\n".join(group)
            group = []
        if not group:
            under, group, size = header, [header] if header else [], len(header)
        group.append(line)
        size += 1 + len(line)
    if group:
        yield "\n".join(group)


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each row as a line, with the header that it needs to be understood."""
    names: list[str] = []
    header, used = "", True
    cleaned = ([" ".join(cell.split()) for cell in row] for row in rows)
    for number, cells in enumerate(filter(any, cleaned)):
        line = " | ".join(cells).rstrip(" |")
        if not names and number < HEADER_WITHIN and _are_names(cells):
            names, header, used = cells, line, False
            continue
        used = True
        if len(header) + 1 + len(line) > ROWS_SIZE:
            # Of a header that is too long for any row, and of none, each cell has what name there is.
            named = zip(names + [""] * (len(cells) - len(names)), cells, strict=False)
            yield "", "\n".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
        else:
            yield header, line
    if not used:
        yield "", header


def _are_names(cells: Sequence[str]) -> bool:
    """Whether a row looks like the names of columns: short words, not figures."""
    return len(cells) > 1 and all(0 < len(cell) <= NAME_LENGTH and not _FIGURE.fullmatch(cell) for cell in cells)
