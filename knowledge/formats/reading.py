"""From bytes to sections, whatever the format."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from knowledge.formats import detection, plain
from knowledge.formats.decoding import decode
from knowledge.formats.documents import Section, Unreadable, damaged, too_large

# Media type -> (module and function, what it is called in messages). Imported when a file of the type comes.
BINARY = {
    detection.PDF: ("pdf", "a PDF"),
    detection.DOC: ("word97", "a Word document"),
    detection.DOCX: ("docx", "a Word document"),
    detection.XLSX: ("xlsx", "an Excel workbook"),
    detection.PPTX: ("pptx", "a PowerPoint presentation"),
    detection.ODT: ("opendocument", "an OpenDocument text"),
    detection.EPUB: ("epub", "an EPUB"),
    detection.RTF: ("rtf", "an RTF document"),
}
TEXT = {
    detection.HTML: ("html", "read"),
    detection.MARKDOWN: ("plain", "read_markdown"),
    detection.CSV: ("delimited", "read"),
    detection.JSON: ("structured", "read"),
    detection.JSON_LINES: ("structured", "read_lines"),
    detection.PLAIN: ("plain", "read"),
}


def read(data: bytes, name: str, *, most: int) -> tuple[str, list[Section]]:
    """A file's media type and sections. `most` characters are read at most.

    Raises `Unreadable`, and `MemoryError` where the process may have no more.
    """
    media_type = detection.detect(data, name)
    if media_type in TEXT:
        return _text(decode(data, markup=media_type == detection.HTML), media_type, most)
    module, kind = BINARY[media_type]
    try:
        sections = _limited(_reader(module, "read")(data), most)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        # What a library raises over a damaged file is its own affair; the cause goes to the log.
        raise damaged(kind) from error
    if not sections:
        raise Unreadable("The file holds no text.")
    return media_type, sections


def _text(text: str, media_type: str, most: int) -> tuple[str, list[Section]]:
    if len(text) > most:
        raise _too_long(most)
    try:
        return media_type, _limited(_reader(*TEXT[media_type])(text), most)
    except (ValueError, RecursionError):
        # It is no JSON after all, or what the library cannot take.
        return detection.PLAIN, _limited(plain.read(text), most)


def _reader(module: str, function: str) -> Callable[..., Iterable[Section]]:
    reader: Callable[..., Iterable[Section]] = getattr(import_module(f"knowledge.formats.{module}"), function)
    return reader


def _limited(sections: Iterable[Section], most: int) -> list[Section]:
    return list(_counted(sections, most))


def _counted(sections: Iterable[Section], most: int) -> Iterator[Section]:
    size = 0
    for section in sections:
        size += len(section.text)
        if size > most:
            raise _too_long(most)
        yield section


def _too_long(most: int) -> Unreadable:
    return too_large(f"its text has more than {most:,} characters")
