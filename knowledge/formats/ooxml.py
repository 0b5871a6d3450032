"""What Word's and PowerPoint's XML have in common: paragraphs of runs, and tables of them."""

from collections.abc import Callable, Iterator

from lxml import etree

from knowledge.formats.zipped import attribute, local

# Text that was deleted, codes of fields, and the old drawing beside each new one.
SKIPPED = {"del", "moveFrom", "instrText", "delText", "Fallback", "rPr", "pPr", "sectPr", "tblPr", "trPr", "tcPr"}
# A paragraph may hold a drawing whose text stands in paragraphs of its own.
BLOCKS = {"txbxContent"}
_SPACES = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def paragraph_text(paragraph: etree._Element, note: Callable[[etree._Element], str] | None = None) -> str:
    """The text of a paragraph, without that of text boxes in it. `note` gives a reference's text."""
    return "".join(_runs(paragraph, note)).strip()


def _runs(element: etree._Element, note: Callable[[etree._Element], str] | None) -> Iterator[str]:
    for child in element:
        name = local(child)
        if name == "t":
            yield child.text or ""
        elif name in _SPACES:
            yield _SPACES[name]
        elif name == "sym":
            yield _symbol(attribute(child, "char"))
        elif name in ("footnoteReference", "endnoteReference"):
            yield f" [{text}]" if note and (text := note(child)) else ""
        elif name and name not in SKIPPED and name not in BLOCKS:
            yield from _runs(child, note)


def _symbol(code: str) -> str:
    """A character of a symbol font. Those in the private area mean nothing outside their font."""
    try:
        char = chr(int(code, 16))
    except (ValueError, OverflowError):
        return ""
    return "" if "\ue000" <= char <= "\uf8ff" else char


def boxes(paragraph: etree._Element) -> Iterator[etree._Element]:
    """The text boxes that are anchored in a paragraph, outermost first."""
    for child in paragraph:
        name = local(child)
        if name in BLOCKS:
            yield child
        elif name not in SKIPPED:
            yield from boxes(child)


def table_rows(table: etree._Element, note: Callable[[etree._Element], str] | None = None) -> list[list[str]]:
    """The cells' texts, row by row. A table within a cell is read as part of that cell's text."""
    return [
        [" ".join(_cell(cell, note)) for cell in _within(row, "tc")]
        for row in _within(table, "tr")
    ]  # fmt: skip


def _within(element: etree._Element, wanted: str) -> Iterator[etree._Element]:
    """The nearest elements of a name: past content controls and the like, not inside one another."""
    for child in element:
        if local(child) == wanted:
            yield child
        elif local(child) not in SKIPPED:
            yield from _within(child, wanted)


def _cell(element: etree._Element, note: Callable[[etree._Element], str] | None) -> Iterator[str]:
    for child in element:
        if local(child) == "p":
            yield paragraph_text(child, note)
            for box in boxes(child):
                yield from _cell(box, note)
        elif local(child) not in SKIPPED:
            yield from _cell(child, note)
