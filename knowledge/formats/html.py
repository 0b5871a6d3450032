"""HTML as people write it, and the chapters of an EPUB."""

from collections.abc import Iterable, Iterator

from lxml import etree

from knowledge.formats.documents import Section, Unreadable
from knowledge.formats.outline import Outline

SKIPPED = {"script", "style", "template", "head", "svg", "math", "iframe", "object", "noembed", "noframes", "datalist"}
BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li", "main",
    "menu", "nav", "ol", "optgroup", "option", "p", "pre", "section", "select", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
HEADINGS = {f"h{level}": level for level in range(1, 7)}
ITEMS = {"li": "- ", "dt": "", "dd": "", "option": "- "}
# Characters. A table with a longer cell arranges a page; it does not hold data.
LONGEST_CELL = 500


def read(text: str) -> Iterable[Section]:
    """The page by its headings; its title names what stands above the first of them."""
    root = parse(text)
    if root is None:
        return []
    title = root.find(".//title")
    outline = Outline(title=all_text(title) if title is not None else None)
    walk(root, outline)
    return outline.sections()


def parse(text: str) -> etree._Element | None:
    """A page as a tree, however it is written. None where there is nothing in it."""
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, recover=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None
    # Where it nests deeper than 2,048, the parser leaves out the rest without a word.
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise Unreadable("The page nests too deep to be read.")
    return root


def all_text(element: etree._Element) -> str:
    """The text of an element and all in it, on one line."""
    return " ".join("".join(map(str, element.itertext())).split())


def walk(root: etree._Element, outline: Outline) -> None:
    """Put a tree's text into an outline."""
    writer = _Writer(outline)
    # Not by recursion: a page may nest thousands deep.
    events = etree.iterwalk(root, events=("start", "end"))
    for event, element in events:
        if not isinstance(element.tag, str):
            continue
        name = element.tag.rpartition("}")[2].lower()
        if event == "end":
            writer.end(name, element)
        elif name in SKIPPED or element.get("hidden") is not None:
            events.skip_subtree()
        elif name == "table" and (rows := _data(element)) is not None:
            writer.flush()
            outline.table(rows)
            events.skip_subtree()
        else:
            writer.start(name, element)
    writer.flush()


class _Writer:
    """Gathers text until a block ends, and then knows what it was."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._text: list[str] = []
        self._mark: str | None = None
        self._verbatim = 0

    def start(self, name: str, element: etree._Element) -> None:
        if name in BLOCKS or name in HEADINGS:
            self.flush()
        self._mark = ITEMS.get(name, self._mark)
        self._verbatim += name == "pre"
        if name == "br":
            self._text.append("\n")
        elif name == "img":
            self._text.append(f" {element.get('alt') or ''} ")
        self._add(element.text)

    def end(self, name: str, element: etree._Element) -> None:
        if name in HEADINGS:
            heading = "".join(self._text)
            self._text = []
            self._outline.heading(HEADINGS[name], heading)
        elif name in BLOCKS:
            self.flush()
        if name in ITEMS:
            self._mark = None
        self._verbatim -= name == "pre" and self._verbatim > 0
        self._add(element.tail)

    def _add(self, text: str | None) -> None:
        if text:
            self._text.append(text if self._verbatim else _collapse(text))

    def flush(self) -> None:
        """End a block."""
        text = "".join(self._text)
        self._text = []
        if not text.strip():
            return
        if not self._verbatim:
            text = "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
        if self._mark is None:
            self._outline.paragraph(text)
        else:
            self._outline.item(self._mark + text)


def _collapse(text: str) -> str:
    words = " ".join(text.split())
    return (" " if text[0].isspace() else "") + words + (" " if words and text[-1].isspace() else "")


def _data(table: etree._Element) -> list[list[str]] | None:
    """The rows of a table that holds data; None for one that arranges a page."""
    if next(table.iterdescendants("table", "{*}table"), None) is not None:
        return None
    rows = [[_content(caption)] for caption in table.iter("caption", "{*}caption")]
    for row in table.iter("tr", "{*}tr"):
        rows.append([_content(cell) for cell in row.iter("td", "th", "{*}td", "{*}th")])
    return rows if all(len(cell) <= LONGEST_CELL for row in rows for cell in row) else None


def _content(element: etree._Element) -> str:
    return " ".join(" ".join(_pieces(element)).split())


def _pieces(element: etree._Element) -> Iterator[str]:
    inline = ""
    events = etree.iterwalk(element, events=("start", "end"))
    for event, child in events:
        name = str(child.tag).rpartition("}")[2].lower()
        if event == "start" and name in SKIPPED:
            events.skip_subtree()
        elif event == "start":
            if name in BLOCKS or name == "br":
                yield inline
                inline = ""
            inline += child.text or ""
        elif child is not element:
            inline += child.tail or ""
    yield inline
