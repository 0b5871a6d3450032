"""PowerPoint presentations since 2007, ECMA-376 part 1 chapter 19."""

from collections.abc import Iterable, Iterator

from lxml import etree

from knowledge.formats.documents import Section, damaged
from knowledge.formats.ooxml import SKIPPED, paragraph_text, table_rows
from knowledge.formats.outline import Outline
from knowledge.formats.zipped import Archive, attribute, local

KIND = "a PowerPoint presentation"


def read(data: bytes) -> Iterable[Section]:
    """One section for each slide, with its notes; its title is the section's name."""
    archive = Archive(data, KIND)
    main = next((name for kind, name in archive.related("").values() if kind == "officeDocument"), None)
    if main is None:
        raise damaged(KIND)
    related = archive.related(main)
    number = 0
    for entry in archive.xml(main).iter("{*}sldId"):
        # Its own `id` counts slides; the one in the namespace of relationships names the part.
        names = [str(value) for key, value in entry.attrib.items() if str(key).endswith("}id")]
        kind, name = related.get(names[0] if names else "", ("", ""))
        if kind == "slide" and name in archive:
            number += 1
            yield from _slide(archive, name, number)


def _slide(archive: Archive, name: str, number: int) -> list[Section]:
    root = archive.xml(name)
    titles = [shape for shape in root.iter("{*}sp") if _placeholder(shape) in ("title", "ctrTitle")]
    title = " ".join(" ".join(paragraph_text(p) for p in shape.iter("{*}p")) for shape in titles)
    outline = Outline(page=number, title=f"Slide {number}")
    outline.heading(1, title)
    _shapes(root, outline, set(titles))
    for kind, part in archive.related(name).values():
        if part not in archive:
            continue
        if kind == "diagramData":
            for paragraph in archive.xml(part).iter("{*}p"):
                outline.item(paragraph_text(paragraph))
        elif kind == "chart":
            values = archive.xml(part).iter("{*}v", "{*}t")
            outline.paragraph(" | ".join(filter(None, ((value.text or "").strip() for value in values))))
        elif kind == "notesSlide":
            notes = (shape for shape in archive.xml(part).iter("{*}sp") if _placeholder(shape) == "body")
            for line in (paragraph_text(p) for shape in notes for p in shape.iter("{*}p")):
                outline.paragraph(line)
    return outline.sections()


def _placeholder(shape: etree._Element) -> str:
    """What a shape stands for on its slide: "title", "body", ...; empty for a free one."""
    found = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return attribute(found, "type", "obj") if found is not None else ""


def _shapes(element: etree._Element, outline: Outline, done: set[etree._Element]) -> None:
    for child in _children(element, done):
        if local(child) == "tbl":
            outline.table(table_rows(child))
        elif local(child) == "p":
            outline.item(paragraph_text(child))
        else:
            _shapes(child, outline, done)


def _children(element: etree._Element, done: set[etree._Element]) -> Iterator[etree._Element]:
    for child in element:
        # The slide's number and date say nothing.
        if local(child) not in SKIPPED and child not in done and _placeholder(child) not in ("sldNum", "dt"):
            yield child
