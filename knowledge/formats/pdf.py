"""PDF."""

import logging
import re
from collections.abc import Iterator
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError
from pypdf.generic import Destination

from knowledge.formats.documents import Section, Unreadable, clean, damaged, locked, section_name

KIND = "a PDF"
# One word over two lines, as typesetting breaks it. A hyphen of its own is lost where it ends a line.
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])[-\u2010]\n(?=[^\W\d_A-Z])")
# Typesetting's joined letters, which no one searches for, and the bullet of its symbol font.
_LIGATURES = str.maketrans(
    {"\uf0b7": "•", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)


def read(data: bytes) -> Iterator[Section]:
    """One section for each page that has text, named by the bookmark it stands under, then the form's fields."""
    # It warns of every fault that it gets over.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        yield from _sections(PdfReader(BytesIO(data)))
    except (Unreadable, MemoryError):
        raise
    except DependencyError:
        raise Unreadable("The PDF is encrypted in a way that cannot be read here.") from None
    except Exception as error:
        # pypdf raises anything over a damaged file: KeyError, TypeError, AttributeError, its own.
        raise damaged(KIND) from error


def _sections(reader: PdfReader) -> Iterator[Section]:
    if reader.is_encrypted and not reader.decrypt(""):
        raise locked()
    names = _bookmarks(reader)
    empty, broken, name = True, 0, None
    for number, page in enumerate(reader.pages, start=1):
        name = names.get(number, name)
        try:
            text = clean(page.extract_text().translate(_LIGATURES)).strip()
        except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError):
            # One page that is damaged does not cost the others.
            broken += 1
            continue
        if text:
            empty = False
            yield Section(_BROKEN_WORD.sub("", text), number, name)
    fields = reader.get_form_text_fields() or {}
    filled = "\n".join(f"{field}: {value}" for field, value in fields.items() if value)
    if filled:
        yield Section(clean(filled), None, "Form")
    elif empty and broken:
        raise damaged(KIND)
    elif empty:
        raise Unreadable("The PDF holds no text; it may be a scan. Run text recognition (OCR) over it first.")


def _bookmarks(reader: PdfReader) -> dict[int, str]:
    """Page -> the first bookmark that leads to it, with those it is under: "Chapter > Part"."""
    found: dict[int, str] = {}

    def collect(entries: list[object], above: tuple[str, ...]) -> None:
        path = above
        for entry in entries:
            if isinstance(entry, list):
                collect(entry, path)
            elif isinstance(entry, Destination):
                path = (*above, str(entry.title or ""))
                page = reader.get_destination_page_number(entry)
                if page is not None and page >= 0 and (name := section_name(*path)):
                    found.setdefault(page + 1, name)

    try:
        collect(list(reader.outline), ())
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        # Names are a courtesy; the text is there without them.
        return found
    return found
