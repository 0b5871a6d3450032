"""Word documents of before 2007, [MS-DOC]: text by the piece table, headings and rows by properties."""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

import olefile

from knowledge.formats.documents import Section, Unreadable, damaged, locked
from knowledge.formats.outline import Outline

KIND = "a Word document"
MAGIC = 0xA5EC
WORD_97 = 0x00C1
# Flags of the FIB's base, 2.5.2.
COMPLEX, LOCKED, SECOND_TABLE = 0x0004, 0x0100, 0x0200
# Where in the FIB stands what is used here, in bytes, 2.5.4 and 2.5.6.
LENGTHS, PARAGRAPHS, PIECES = 0x4C, 0x0102, 0x01A2
# The parts of the text stand behind one another, 2.3: body, footnotes, headers, macros, comments, endnotes, text
# boxes, text boxes of headers. Headers say nothing that the body does not.
UNREAD_PARTS = (2, 3, 7)
# The style of a heading has its level as number, 2.9.271.
HEADINGS = range(1, 10)
# Properties of a paragraph, 2.6.2: it is in a table; it ends a row.
IN_TABLE, ENDS_ROW = b"\x16\x24\x01", b"\x17\x24\x01"
COMPRESSED = 0x40000000
PAGE = 512
CELL = "\x07"
_PARAGRAPH = re.compile("[^\r\x07\x0c]*[\r\x07\x0c]?")
# A field's code is between the first two, what it shows between the last two, 2.8.25.
_FIELD_MARKS = re.compile("([\x13\x14\x15])")
_SPECIAL = str.maketrans(
    {"\x1e": "-", "\x1f": None, "\x0b": "\n", "\x0e": "\n", **dict.fromkeys(map(chr, range(1, 9)))}
)


def read(data: bytes) -> Iterable[Section]:
    """The body by its headings, then notes, comments and text boxes. Headers and footers are left out."""
    try:
        with olefile.OleFileIO(BytesIO(data)) as file:
            return _sections(file)
    except Unreadable:
        raise
    except Exception as error:
        # olefile raises OSError and others; struct and lists theirs, of offsets that lead nowhere.
        raise damaged(KIND) from error


def _sections(file: olefile.OleFileIO) -> list[Section]:
    main = file.openstream("WordDocument").read()
    magic, version = struct.unpack_from("<HH", main, 0)
    (flags,) = struct.unpack_from("<H", main, 0x0A)
    if magic != MAGIC:
        raise damaged(KIND)
    if flags & LOCKED:
        raise locked()
    if version < WORD_97:
        return _before_97(main, flags)
    table = file.openstream("1Table" if flags & SECOND_TABLE else "0Table").read()
    writer = _Writer(_Paragraphs(main, table), list(_pieces(main, table)))
    at = 0
    for part, length in enumerate(struct.unpack_from("<8i", main, LENGTHS)):
        if part not in UNREAD_PARTS:
            writer.write(at, at + max(length, 0))
        at += max(length, 0)
    return writer.sections()


def _before_97(main: bytes, flags: int) -> list[Section]:
    """Word 6 and 95: the text in one piece, a byte a character."""
    start, end = struct.unpack_from("<II", main, 0x18)
    if flags & COMPLEX or not 0 < start <= end <= len(main):
        raise Unreadable("The file is of Word 6 or 95 and cannot be read. Save it as docx.")
    text = main[start:end].decode("cp1252", "replace")
    writer = _Writer(None, [_Piece(0, text, start, 1)])
    writer.write(0, len(text))
    return writer.sections()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text that stands together in the file: its first character's number, and where that is."""

    first: int
    text: str
    offset: int
    width: int


def _pieces(main: bytes, table: bytes) -> Iterator[_Piece]:
    """The text in its order, 2.9.38 and 2.9.177."""
    start, size = struct.unpack_from("<II", main, PIECES)
    at, end = start, start + size
    while at < end and table[at] == 1:
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    if at >= end or table[at] != 2:
        raise damaged(KIND)
    count = (struct.unpack_from("<I", table, at + 1)[0] - 4) // 12
    bounds = struct.unpack_from(f"<{count + 1}I", table, at + 5)
    left = len(main)
    for number, (first, last) in enumerate(pairwise(bounds)):
        (position,) = struct.unpack_from("<I", table, at + 5 + 4 * (count + 1) + 8 * number + 2)
        width = 1 if position & COMPRESSED else 2
        offset = (position & ~COMPRESSED) // (3 - width)
        length = (last - first) * width
        left -= length
        if last < first or left < 0 or offset + length > len(main):
            raise damaged(KIND)
        raw = main[offset : offset + length]
        # Characters are counted in units of UTF-16: surrogates stay single here, and `clean` joins them.
        units = struct.unpack(f"<{last - first}H", raw) if width == 2 else ()
        yield _Piece(first, "".join(map(chr, units)) or raw.decode("cp1252", "replace"), offset, width)


class _Paragraphs:
    """The properties of the paragraphs, by where in the file they end: 2.8.6 and 2.9.176."""

    def __init__(self, main: bytes, table: bytes) -> None:
        self._main = main
        start, size = struct.unpack_from("<II", main, PARAGRAPHS)
        count = max(size - 4, 0) // 8
        self._bounds = struct.unpack_from(f"<{count + 1}I", table, start) if count else (0,)
        self._pages = struct.unpack_from(f"<{count}I", table, start + 4 * (count + 1)) if count else ()

    def at(self, offset: int) -> tuple[int, bytes]:
        """The number of the style of the paragraph there, and its other properties."""
        entry = bisect_right(self._bounds, offset) - 1
        if not 0 <= entry < len(self._pages):
            return 0, b""
        begin = (self._pages[entry] & 0x3FFFFF) * PAGE
        page = self._main[begin : begin + PAGE]
        count = page[-1] if len(page) == PAGE else 0
        if not count or 4 * (count + 1) + 13 * count > PAGE:
            return 0, b""
        number = bisect_right(struct.unpack_from(f"<{count + 1}I", page), offset) - 1
        if not 0 <= number < count:
            return 0, b""
        start = 2 * page[4 * (count + 1) + 13 * number]
        if not 0 < start < PAGE - 4:
            return 0, b""
        size, start = (2 * page[start] - 1, start + 1) if page[start] else (2 * page[start + 1], start + 2)
        properties = page[start : start + size]
        return int.from_bytes(properties[:2], "little"), properties[2:]


class _Writer:
    def __init__(self, paragraphs: _Paragraphs | None, pieces: list[_Piece]) -> None:
        self._paragraphs = paragraphs
        self._pieces = pieces
        self._firsts = [piece.first for piece in pieces]
        self._text = "".join(piece.text for piece in pieces)
        self._outline = Outline()
        self._fields: list[bool] = []  # of each open field, whether its code is being read
        self._cell: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []

    def sections(self) -> list[Section]:
        self._end_table()
        return self._outline.sections()

    def write(self, start: int, end: int) -> None:
        """Put the characters from `start` to `end` into the outline."""
        self._fields.clear()
        at = start
        while at < min(end, len(self._text)):
            match = _PARAGRAPH.match(self._text, at, end)
            if match is None or match.end() == at:
                break
            at = match.end()
            text = match[0]
            style, properties = self._properties(at - 1)
            self._paragraph(self._shown(text.rstrip("\r\x07\x0c")), text[-1:], style, properties)
        self._end_table()

    def _properties(self, character: int) -> tuple[int, bytes]:
        if self._paragraphs is None:
            return 0, b""
        piece = self._pieces[bisect_right(self._firsts, character) - 1]
        return self._paragraphs.at(piece.offset + (character - piece.first) * piece.width)

    def _shown(self, text: str) -> str:
        """The text without the codes of fields, which may go over paragraphs."""
        shown = []
        for stretch in _FIELD_MARKS.split(text):
            if stretch == "\x13":
                self._fields.append(True)
            elif stretch == "\x14" and self._fields:
                self._fields[-1] = False
            elif stretch == "\x15" and self._fields:
                self._fields.pop()
            elif not any(self._fields):
                shown.append(stretch)
        return "".join(shown).translate(_SPECIAL).strip()

    def _paragraph(self, text: str, mark: str, style: int, properties: bytes) -> None:
        if mark == CELL and ENDS_ROW in properties:
            self._rows.append(self._cells)
            self._cells = []
        elif mark == CELL:
            self._cells.append(" ".join([*self._cell, text]))
            self._cell = []
        elif IN_TABLE in properties:
            self._cell.append(text)
        else:
            self._end_table()
            if style in HEADINGS:
                self._outline.heading(style, text)
            else:
                self._outline.paragraph(text)

    def _end_table(self) -> None:
        if self._cells or self._cell:
            # Rows whose ends are not marked: what there is of them.
            self._rows.append([*self._cells, *self._cell])
        if self._rows:
            self._outline.table(self._rows)
        self._rows, self._cells, self._cell = [], [], []
