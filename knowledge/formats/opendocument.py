"""OpenDocument text (odt), OpenDocument 1.3 part 3."""

from collections.abc import Iterable, Iterator

from lxml import etree

from knowledge.formats.documents import Section, damaged, locked
from knowledge.formats.outline import Outline
from knowledge.formats.zipped import Archive, attribute, local

KIND = "an OpenDocument text"
# What was deleted is kept in tracked-changes. A ruby's base is in the text; its reading would be there twice.
SKIPPED = {"tracked-changes", "annotation-end", "sequence-decls", "forms", "ruby-text", "note-citation", "desc"}
BLOCKS = {"text-box"}
# A cell or space may be said to be repeated millions of times.
MOST_REPEATED = 100


def read(data: bytes) -> Iterable[Section]:
    """The body with its notes in place, then headers and footers."""
    archive = Archive(data, KIND)
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise locked()
    body = archive.xml("content.xml").find("{*}body")
    if body is None:
        raise damaged(KIND)
    outline = Outline()
    _blocks(body, outline)
    if "styles.xml" in archive:
        margins = archive.xml("styles.xml").iter("{*}header", "{*}footer")
        for line in dict.fromkeys(_text(p) for margin in margins for p in margin.iter("{*}p")):
            outline.item(line)
    return outline.sections()


def _blocks(element: etree._Element, outline: Outline, *, in_list: bool = False) -> None:
    for child in element:
        name = local(child)
        if name == "h":
            level = attribute(child, "outline-level", "1")
            outline.heading(int(level) if level.isdecimal() else 1, _text(child))
        elif name == "p":
            text = _text(child)
            if in_list:
                outline.item(f"- {text}" if text else "")
            else:
                outline.paragraph(text)
            for box in _boxes(child):
                _blocks(box, outline)
        elif name == "table":
            outline.table(_rows(child))
        elif name and name not in SKIPPED:
            _blocks(child, outline, in_list=in_list or name == "list")


def _text(element: etree._Element) -> str:
    return "".join(_runs(element)).strip()


def _runs(element: etree._Element) -> Iterator[str]:
    yield _collapse(element.text)
    for child in element:
        name = local(child)
        if name == "s":
            count = attribute(child, "c", "1")
            yield " " * min(int(count) if count.isdecimal() else 1, MOST_REPEATED)
        elif name == "tab":
            yield "\t"
        elif name == "line-break":
            yield "\n"
        elif name in ("note", "annotation"):
            body = " ".join(filter(None, (_text(p) for p in child.iter("{*}p"))))
            yield f" [{body}]" if body else ""
        elif name and name not in SKIPPED and name not in BLOCKS:
            yield from _runs(child)
        yield _collapse(child.tail)


def _collapse(text: str | None) -> str:
    """White space as OpenDocument reads it: line ends and runs of spaces are one space."""
    if not text:
        return ""
    words = " ".join(text.split())
    return (" " if text[0].isspace() else "") + words + (" " if words and text[-1].isspace() else "")


def _boxes(element: etree._Element) -> Iterator[etree._Element]:
    for child in element:
        if local(child) in BLOCKS:
            yield child
        elif local(child) not in SKIPPED:
            yield from _boxes(child)


def _rows(table: etree._Element) -> Iterator[list[str]]:
    """The cells' texts. A table within a cell is part of that cell's text."""
    for child in table:
        name = local(child)
        if name == "table-row":
            yield [text for cell in child for text in _cell(cell)]
        elif name in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(child)


def _cell(cell: etree._Element) -> list[str]:
    if local(cell) not in ("table-cell", "covered-table-cell"):
        return []
    text = " ".join(filter(None, (_text(paragraph) for paragraph in cell.iter("{*}p", "{*}h"))))
    count = attribute(cell, "number-columns-repeated", "1")
    return [text] * min(int(count) if count.isdecimal() else 1, MOST_REPEATED)
