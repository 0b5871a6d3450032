"""EPUB 2 and 3."""

import posixpath
from collections.abc import Iterable, Iterator

from knowledge.formats import html
from knowledge.formats.decoding import decode
from knowledge.formats.documents import Section, Unreadable, damaged
from knowledge.formats.outline import Outline
from knowledge.formats.zipped import Archive, attribute, local, resolve

KIND = "an EPUB"
CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
# Fonts are scrambled under these, and readers undo it; anything else is a shop's lock on the text.
FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read(data: bytes) -> Iterable[Section]:
    """The chapters in the order of the book. A chapter without headings is named as the table of contents has it."""
    archive = Archive(data, KIND)
    _refuse_locked(archive)
    book = next(
        (attribute(file, "full-path") for file in archive.xml("META-INF/container.xml").iter("{*}rootfile")), ""
    )
    package = archive.xml(book)
    folder = posixpath.dirname(book)
    items = {attribute(item, "id"): item for item in package.iter("{*}item")}
    names = [resolve(folder, attribute(item, "href")) for item in items.values()]
    titles = _titles(archive, [name for name in names if name in archive])
    spine = [items[key] for entry in package.iter("{*}itemref") if (key := attribute(entry, "idref")) in items]
    if not spine:
        raise damaged(KIND)
    for item in spine:
        name = resolve(folder, attribute(item, "href"))
        if name in archive and attribute(item, "media-type") in CHAPTERS and attribute(item, "properties") != "nav":
            yield from _chapter(archive, name, titles.get(name))


def _chapter(archive: Archive, name: str, title: str | None) -> list[Section]:
    root = html.parse(decode(archive.read(name), markup=True))
    if root is None:
        return []
    outline = Outline(title=title)
    html.walk(root, outline)
    return outline.sections()


def _titles(archive: Archive, names: list[str]) -> dict[str, str]:
    """Part -> its title in the table of contents: EPUB 3's `nav`, or EPUB 2's `ncx`."""
    return {
        part: title
        for name in reversed(names)
        if name.endswith((".ncx", ".xhtml", ".html"))
        for part, title in _contents(archive, name)
    }


def _contents(archive: Archive, name: str) -> Iterator[tuple[str, str]]:
    folder = posixpath.dirname(name)
    if name.endswith(".ncx"):
        for point in archive.xml(name).iter("{*}navPoint"):
            label, content = point.find("{*}navLabel/{*}text"), point.find("{*}content")
            if label is not None and content is not None:
                yield resolve(folder, attribute(content, "src")), " ".join((label.text or "").split())
    elif b"toc" in (data := archive.read(name)) and (root := html.parse(decode(data, markup=True))) is not None:
        for link in (link for nav in root.iter("nav") if "toc" in nav.values() for link in nav.iter("a")):
            if local(link) and link.get("href"):
                yield resolve(folder, link.get("href", "")), html.all_text(link)


def _refuse_locked(archive: Archive) -> None:
    if "META-INF/encryption.xml" not in archive:
        return
    methods = archive.xml("META-INF/encryption.xml").iter("{*}EncryptionMethod")
    if any(attribute(method, "Algorithm") not in FONT_SCRAMBLING for method in methods):
        raise Unreadable("The book is locked by its shop (DRM): only its own reader opens it.")
