"""Files to read: real ones, and such as no program writes.

The samples were made for these tests with python-docx, python-pptx, openpyxl and LibreOffice: `report.*` is one
document in each format, `locked.xlsx` needs a password.
"""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from knowledge.formats.documents import Section
from knowledge.formats.reading import read

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Change = bytes | Callable[[bytes], bytes]


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def sections_of(data: bytes, name: str = "file") -> list[Section]:
    return read(data, name, most=10_000_000)[1]


def text_of(data: bytes, name: str = "file") -> str:
    return "\n".join(section.text for section in sections_of(data, name))


def type_of(data: bytes, name: str = "file") -> str:
    return read(data, name, most=10_000_000)[0]


def rezipped(name: str, **changes: Change) -> bytes:
    """A sample with parts changed; `__` in a part's name stands for a slash, `_` before its suffix for a dot."""
    wanted = {part.replace("__", "/").replace("_xml", ".xml"): change for part, change in changes.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(SAMPLES / name) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            change = wanted.pop(part, None)
            content = old.read(part)
            new.writestr(part, content if change is None else change(content) if callable(change) else change)
    assert not wanted
    return target.getvalue()


def zipped(**parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects; the first is its catalogue."""
    written = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return written + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        count, table, count, len(written),
    )  # fmt: skip


def pdf_page(operators: bytes) -> bytes:
    """A PDF of one page that a font and these operators draw."""
    packed = zlib.compress(operators, 9)
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


# Takes its reader many seconds: a page of a million strings.
SLOW = pdf_page(b"BT /F1 12 Tf (word) Tj ET\n" * 1_000_000)
