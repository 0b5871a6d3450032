"""Word documents since 2007, ECMA-376 part 1 chapter 17."""

import re
from collections.abc import Iterable

from lxml import etree

from knowledge.formats.documents import Section, damaged
from knowledge.formats.ooxml import SKIPPED, boxes, paragraph_text, table_rows
from knowledge.formats.outline import Outline
from knowledge.formats.zipped import Archive, attribute, local

KIND = "a Word document"
BODY_TEXT = 9


def read(data: bytes) -> Iterable[Section]:
    """The body with its notes and text boxes in place; headers, footers and comments at the end."""
    archive = Archive(data, KIND)
    main = next((name for kind, name in archive.related("").values() if kind == "officeDocument"), None)
    if main is None:
        raise damaged(KIND)
    return _Reader(archive, main).sections()


class _Reader:
    def __init__(self, archive: Archive, main: str) -> None:
        self._archive = archive
        self._main = main
        self._parts: dict[str, list[str]] = {}
        for kind, name in archive.related(main).values():
            if name in archive:
                self._parts.setdefault(kind, []).append(name)
        self._levels = self._heading_levels()
        self._notes = {
            kind: {attribute(note, "id"): note for note in self._trees(kind + "s", kind)}
            for kind in ("footnote", "endnote")
        }
        self._outline = Outline()

    def sections(self) -> list[Section]:
        root = self._archive.xml(self._main)
        self._blocks(root)
        for kind, tag in (("header", "p"), ("footer", "p"), ("comments", "comment")):
            lines = [self._flat(element) for element in self._trees(kind, tag)]
            for line in dict.fromkeys(lines):
                self._outline.item(line)
        return self._outline.sections()

    def _trees(self, kind: str, tag: str) -> list[etree._Element]:
        """The elements of a name in the parts of a kind."""
        return [element for part in self._parts.get(kind, []) for element in self._archive.xml(part).iter("{*}" + tag)]

    def _heading_levels(self) -> dict[str, int]:
        """Style id -> level of heading, from the style's name, its outline level, or the style it is based on."""
        levels: dict[str, int] = {}
        parents: dict[str, str] = {}
        for style in self._trees("styles", "style"):
            key = attribute(style, "styleId")
            name, parent, depth = (style.find("{*}" + tag) for tag in ("name", "basedOn", "pPr/{*}outlineLvl"))
            named = re.fullmatch(r"heading (\d)|(title)", attribute(name, "val").lower()) if name is not None else None
            if named:
                levels[key] = int(named[1] or 1)
            elif depth is not None and (level := _number(attribute(depth, "val"))) < BODY_TEXT:
                levels[key] = level + 1
            if parent is not None:
                parents[key] = attribute(parent, "val")
        for key in parents:
            seen, at = {key}, key
            while at not in levels and (at := parents.get(at, "")) and at not in seen:
                seen.add(at)
            if at in levels:
                levels.setdefault(key, levels[at])
        return levels

    def _blocks(self, element: etree._Element) -> None:
        for child in element:
            name = local(child)
            if name == "p":
                self._paragraph(child)
                for box in boxes(child):
                    self._blocks(box)
            elif name == "tbl":
                self._outline.table(table_rows(child, self._note))
            elif name not in SKIPPED:
                self._blocks(child)

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = paragraph_text(paragraph, self._note)
        style, depth, number = (
            paragraph.find("{*}pPr/{*}" + tag) for tag in ("pStyle", "outlineLvl", "numPr")
        )  # fmt: skip
        level = self._levels.get(attribute(style, "val")) if style is not None else None
        if depth is not None and _number(attribute(depth, "val")) < BODY_TEXT:
            level = _number(attribute(depth, "val")) + 1
        if level:
            self._outline.heading(level, text)
        elif number is not None or (style is not None and attribute(style, "val").startswith("List")):
            self._outline.item(f"- {text}" if text else "")
        else:
            self._outline.paragraph(text)

    def _note(self, reference: etree._Element) -> str:
        found = self._notes[local(reference).removesuffix("Reference")].get(attribute(reference, "id"))
        return self._flat(found) if found is not None else ""

    def _flat(self, element: etree._Element) -> str:
        own = [element] if local(element) == "p" else element.iter("{*}p")
        return " ".join(filter(None, (paragraph_text(paragraph) for paragraph in own)))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else BODY_TEXT
