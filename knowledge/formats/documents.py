"""What a file becomes, and why it may not."""

import re
from dataclasses import dataclass

from opengpts.errors import OpenGPTsError

TAKEN = (
    "Taken are PDF, Word (docx, doc), Excel (xlsx), PowerPoint (pptx), OpenDocument text (odt), RTF, EPUB, HTML, "
    "Markdown, CSV, JSON and plain text."
)

# Characters. A paragraph may be called a heading.
HEADING_LENGTH = 200
NAME_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text, and where it stands.

    `page` counts from 1: a page of a PDF, a slide of a presentation. `section` is the heading it stands
    under ("Chapter > Part"), the name of its sheet, or the title of its chapter. The text begins with the
    heading itself.
    """

    text: str
    page: int | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document as text. A text file that is empty has no sections."""

    media_type: str
    sections: list[Section]


class Unreadable(OpenGPTsError):
    """The file holds no text that can be had. The message says why, in a sentence for the user.

    Its code is "unreadable_document", "unsupported_document" (no type that is taken) or "too_large".
    """

    code = "unreadable_document"


def section_name(*headings: str) -> str | None:
    """The name of what stands under these headings, outermost first; None where they say nothing."""
    names = (" ".join(clean(heading).split())[:HEADING_LENGTH] for heading in headings)
    return " > ".join(filter(None, names))[:NAME_LENGTH] or None


def unsupported(what: str) -> Unreadable:
    """The file is `what` ("a PNG picture"), which is not taken."""
    return Unreadable(f"The file is {what}. {TAKEN}", code="unsupported_document")


def damaged(kind: str) -> Unreadable:
    """The file says it is `kind` ("a PDF"), but cannot be read as one."""
    return Unreadable(f"The file is not {kind} that can be read: it is damaged or cut short.")


def locked() -> Unreadable:
    """The file needs a password."""
    return Unreadable("The file is protected by a password. Save it without one.")


def too_large(what: str) -> Unreadable:
    """`what` ("Its text") is more than the limit."""
    return Unreadable(f"The file is too large: {what}.", code="too_large")


# PostgreSQL stores no NUL; the other control characters say nothing either. A soft hyphen or a byte order
# mark inside a word would keep it from being found.
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# More than any indentation.
_WIDE = re.compile(r"[ \t]{64,}")
_BLANK_LINES = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    """The text with one kind of line end, at most one blank line in a row, and nothing that cannot be stored."""
    if _SURROGATE.search(text):
        # Halves of a pair that came apart are put together; those without another half are lost.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _DROPPED.sub("", _LINE_ENDS.sub("\n", text)).replace("\u00a0", " ")
    # No regular expression: over a long line of spaces it would look for the line's end from each of them.
    text = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", _WIDE.sub(" ", text)).strip("\n")
