"""What type a file is. Its bytes decide; its name helps only among the formats that are text."""

import json
import re
import struct
import zipfile
from io import BytesIO
from pathlib import PurePosixPath

from knowledge.formats.decoding import decode, looks_like_text
from knowledge.formats.delimited import columns
from knowledge.formats.documents import Unreadable, damaged, locked, unsupported

PDF = "application/pdf"
DOC = "application/msword"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
RTF = "application/rtf"
HTML = "text/html"
MARKDOWN = "text/markdown"
CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonl"
PLAIN = "text/plain"

TEXT_SUFFIXES = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".csv": CSV,
    ".tsv": CSV,
    ".htm": HTML,
    ".html": HTML,
    ".xhtml": HTML,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
}
# A file with such a name and no bytes is not an empty text.
BINARY_SUFFIXES = {".pdf", ".doc", ".docx", ".xlsx", ".pptx", ".odt", ".rtf", ".epub", ".zip", ".png", ".jpg", ".xls"}
# The first bytes of what people are likely to upload and is not taken.
NOT_TAKEN = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"RIFF", "a picture, a sound or a film"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"\xfe\xed\xfa", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"fLaC", "a sound"),
    (b"SQLite format 3", "a database"),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OFFICE_TYPES = (
    (re.compile(rb"wordprocessingml\.(document|template)\.main|ms-word\.\w+\.macroEnabled\w*\.main"), DOCX),
    (re.compile(rb"spreadsheetml\.(sheet|template)\.main|ms-excel\.(sheet|template)\.macroEnabled\.main"), XLSX),
    (re.compile(rb"presentationml\.(presentation|slideshow|template)\.main|ms-powerpoint\.\w+\.macroE\w+\.main"), PPTX),
)
# Bytes of a zip archive's directory. A document has some hundred parts; reading an endless list of them takes long.
DIRECTORY_LIMIT = 4 * 1024 * 1024
HEAD_LIMIT = 1024 * 1024
# Bytes in which a type's marks stand.
SAMPLE = 64 * 1024

# Whoever writes the file chooses what these are tried on: none may look at a character more than a few times.
_HTML_START = re.compile(r"<(?:!doctype\s{1,9}html|html|head|body)\b", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:p|div|span|h[1-6]|ul|ol|li|table|tr|td|a|br|b|i|em|strong|section|article|html|body)\b[^>]{0,200}>",
    re.IGNORECASE,
)
_MARKDOWN = (
    re.compile(r"^#{1,6} \S", re.MULTILINE),
    re.compile(r"^(```|~~~)", re.MULTILINE),
    re.compile(r"\[[^\[\]\n]{1,100}\]\([^)\s]{1,200}\)"),
    re.compile(r"^\|? {0,3}:?-{3,}:? {0,3}\|", re.MULTILINE),
    re.compile(r"\*\*[^*\n]{1,100}\*\*"),
    re.compile(r"^[-*] \S", re.MULTILINE),
)


def detect(data: bytes, name: str) -> str:
    """The media type of a file, from its bytes and, among the formats that are text, its name.

    Raises `Unreadable` where it is none of those that are taken, is locked, or is empty and no text.
    What it says is quick and not the last word: `parse` reads JSON that is damaged as plain text.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if not data.strip(b"\0 \t\r\n") and suffix in BINARY_SUFFIXES:
        raise Unreadable("The file is empty.")
    # Mail programs put bytes before a PDF; readers look for the mark in the first thousand.
    if data[:5] == b"%PDF-" or (b"%PDF-" in data[:1024] and not looks_like_text(data[:SAMPLE])):
        return PDF
    if data.startswith(b"PK"):
        return _zipped(data)
    if data.startswith(OLE):
        return _compound(data)
    if data.lstrip()[:5] == b"{\\rtf":
        return RTF
    what = next((what for start, what in NOT_TAKEN if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        raise unsupported("a film or a picture")
    # Text may begin with the same letters.
    if what and (not data[:SAMPLE].isascii() or b"\0" in data[:SAMPLE]):
        raise unsupported(what)
    if not looks_like_text(data):
        raise unsupported("no text")
    return _text(decode(data[:SAMPLE], markup=True), suffix)


def _text(text: str, suffix: str) -> str:
    """Which of the text formats."""
    if _HTML_START.match(text, _prologue(text)):
        return HTML
    named = TEXT_SUFFIXES.get(suffix)
    if named in (MARKDOWN, CSV) or (named == HTML and _TAG.search(text)):
        return named
    start = text.lstrip()
    if start[:1] in ("{", "["):
        lines = [line for line in start.splitlines() if line.strip()]
        if len(lines) > 1 and _is_json(lines[0]) and (named == JSON_LINES or _is_json(lines[1]) or len(lines) > 2):
            return JSON_LINES
        if (
            named in (JSON, JSON_LINES)
            or _is_json(start)
            or (len(text) == SAMPLE and re.match(r"[\[{]\s*[\[{\"]", start))
        ):
            return JSON
    if suffix in ("", ".dat", ".log", ".bin", ".data", ".tmp") or named:
        if columns(text) > 2:
            return CSV
        if sum(bool(sign.search(text)) for sign in _MARKDOWN) > 1:
            return MARKDOWN
    return PLAIN


def _prologue(text: str) -> int:
    """Where what comes after white space, comments and an XML declaration begins."""
    at = 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0
        end = next((end for start, end in (("<!--", "-->"), ("<?", "?>")) if text.startswith(start, at)), None)
        after = text.find(end, at) if end else -1
        if end is None or after < 0:
            return at
        at = after + len(end)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _zipped(data: bytes) -> str:
    """Which of the formats that are zip archives, by the parts inside."""
    kind = "a document"
    if _directory_size(data) > DIRECTORY_LIMIT:
        raise unsupported("a zip archive of very many files")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = set(archive.namelist())
            head = b""
            for part in ("mimetype", "[Content_Types].xml"):
                if part in names:
                    with archive.open(part) as file:
                        head += file.read(HEAD_LIMIT)
    except Exception:
        # The library raises a dozen kinds of errors over damaged archives.
        raise damaged(kind) from None
    if head.startswith(EPUB.encode()) or "META-INF/container.xml" in names:
        return EPUB
    if head.startswith(ODT.encode()):
        return ODT
    if head.startswith(b"application/vnd.oasis.opendocument"):
        raise unsupported("an OpenDocument file other than a text")
    office = next((media_type for pattern, media_type in OFFICE_TYPES if pattern.search(head)), None)
    if office is None:
        raise unsupported("a zip archive")
    return office


def _directory_size(data: bytes) -> int:
    """Bytes of a zip archive's list of parts, from the record at its end. 0 where there is none."""
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(data):
        return 0
    (size,) = struct.unpack_from("<I", data, end + 12)
    large = data.rfind(b"PK\x06\x06", 0, end)
    if 0 <= large <= end - 56:
        # The record for archives of over 4 GB, which some programs always write.
        (size,) = struct.unpack_from("<Q", data, large + 40)
    return int(size)


def _compound(data: bytes) -> str:
    """Which of the formats before 2007, by the names of the streams inside."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise locked()
    if "WordDocument".encode("utf-16-le") in data:
        return DOC
    if "Workbook".encode("utf-16-le") in data:
        raise unsupported("an Excel file of before 2007 (xls); save it as xlsx")
    if "PowerPoint Document".encode("utf-16-le") in data:
        raise unsupported("a PowerPoint file of before 2007 (ppt); save it as pptx")
    raise unsupported("damaged, or an Office file of before 2007 that is not Word's")
