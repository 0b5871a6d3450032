"""Rich Text Format, specification 1.9.1."""

# ruff: noqa: RUF001 - the characters that RTF has words for

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from knowledge.formats.documents import Section, damaged
from knowledge.formats.outline import Outline

KIND = "an RTF document"
_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
# Groups whose text is none of the document's. So are all that begin with `\*`, except TEXT_GROUPS.
SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet info pict objdata object filetbl nonshppict shprslt fldinst sp xe tc rxe bkmkstart "
    b"bkmkend nonesttables atnid atnauthor revtbl pntext listtext header headerl headerr headerf footer "
    b"footerl footerr footerf".split()
)
TEXT_GROUPS = frozenset(b"shpinst annotation footnote".split())
NOTES = frozenset(b"footnote annotation".split())
CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"lbr": "\n", b"emdash": "—", b"endash": "–", b"emspace": " ", b"enspace": " ",
    b"bullet": "•", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"nestcell": " ",
    b"~": " ", b"_": "-",
}  # fmt: skip
PARAGRAPH_ENDS = frozenset(b"par sect page column".split())
# The code page of a font's `\fcharset`.
CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 255: "cp437",
}  # fmt: skip
BODY_TEXT = 9


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the group's end."""

    destination: bytes = b""
    skipped: bool = False
    hidden: bool = False
    fallback: int = 1  # characters after each \u for readers that do not know it
    font: int = -1


def read(data: bytes) -> Iterable[Section]:
    """The text by its headings, with notes and text boxes in place; headers and footers are left out."""
    return _Reader(data).sections()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._outline = Outline()
        self._group = _Group()
        self._above: list[_Group] = []
        self._codepage = "cp1252"
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, int] = {}
        self._style = -1
        self._bytes = bytearray()
        self._text: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._in_table = self._listed = self._starred = False
        self._level = 0
        self._to_skip = 0

    def sections(self) -> list[Section]:
        at = 0
        while match := _TOKEN.match(self._data, at):
            at = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if brace:
                if not self._brace(brace):
                    break
            elif word == b"bin":
                at += max(int(number or 0), 0)
            elif word:
                self._word(word.lower(), int(number) if number else None)
            elif code:
                self._literal(bytes.fromhex(code.decode()))
            elif symbol:
                self._symbol(symbol)
            elif text:
                self._literal(text)
        if self._above:
            raise damaged(KIND)
        self._end_paragraph()
        self._end_table()
        return self._outline.sections()

    def _brace(self, brace: bytes) -> bool:
        """Whether the document goes on after a brace."""
        self._flush()
        self._to_skip = 0
        if brace == b"{":
            self._above.append(self._group)
            self._starred = False
            return True
        if not self._above:
            return False
        left, self._group = self._group, self._above.pop()
        if left.destination in NOTES and self._group.destination not in NOTES and not left.skipped:
            self._text.append("]")
        return bool(self._above)

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._starred = True
        elif symbol in b"\r\n":
            self._word(b"par", None)
        elif symbol in b"\\{}":
            self._literal(symbol)
        elif symbol in CHARACTERS:
            self._put(CHARACTERS[symbol])

    def _literal(self, text: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(text))
            self._to_skip -= skipped
            text = text[skipped:]
        if self._group.destination == b"stylesheet" and text:
            self._name_style(text)
        elif not self._group.skipped and not self._group.hidden:
            self._bytes += text

    def _name_style(self, text: bytes) -> None:
        named = re.match(rb"heading (\d)|(title)\b", text.strip().lower())
        if named and self._style >= 0:
            self._styles[self._style] = int(named[1] or 1)

    def _flush(self) -> None:
        if self._bytes:
            codepage = self._fonts.get(self._group.font, self._codepage)
            self._text.append(self._bytes.decode(codepage, "replace"))
            self._bytes.clear()

    def _put(self, text: str) -> None:
        if not self._group.skipped and not self._group.hidden:
            self._flush()
            self._text.append(text)

    def _word(self, word: bytes, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word == b"u" and number is not None:
            self._put(chr(number % 0x10000))
            self._to_skip = self._group.fallback
            return
        self._to_skip = 0
        if word in (b"pntext", b"listtext") and not self._group.skipped:
            self._listed = True
        if word in SKIPPED or (starred and word not in TEXT_GROUPS):
            self._group = replace(self._group, skipped=True, destination=word)
        elif word in NOTES:
            self._put(" [")
            self._group = replace(self._group, destination=word)
        elif word in CHARACTERS:
            self._put(CHARACTERS[word])
        elif self._group.skipped:
            self._define(word, number)
        elif word in PARAGRAPH_ENDS or word in (b"cell", b"row", b"nestrow"):
            self._structure(word)
        else:
            self._format(word, number)

    def _define(self, word: bytes, number: int | None) -> None:
        """The tables of fonts and of styles."""
        destination = self._group.destination
        if destination == b"fonttbl" and word == b"f" and number is not None:
            self._group = replace(self._group, font=number)
        elif destination == b"fonttbl" and word == b"fcharset" and number in CHARSETS:
            self._fonts[self._group.font] = CHARSETS[number]
        elif destination == b"stylesheet" and word == b"s" and number is not None:
            self._style = number

    def _structure(self, word: bytes) -> None:
        self._flush()
        if self._group.destination in NOTES:
            self._text.append(" ")
        elif word == b"cell":
            self._cells.append("".join(self._text).strip())
            self._text = []
        elif word == b"row":
            self._rows.append(self._cells)
            self._cells = []
        elif self._in_table:
            self._text.append(" ")
        else:
            self._end_paragraph()

    def _format(self, word: bytes, number: int | None) -> None:
        self._flush()
        if word == b"ansicpg":
            self._codepage = _codepage(number) or self._codepage
        elif word == b"mac":
            self._codepage = "mac_roman"
        elif word == b"uc":
            self._group = replace(self._group, fallback=min(max(number or 0, 0), 16))
        elif word == b"f" and number is not None:
            self._group = replace(self._group, font=number)
        elif word in (b"v", b"deleted"):
            self._group = replace(self._group, hidden=number != 0)
        elif word == b"plain":
            self._group = replace(self._group, hidden=False, font=-1)
        elif word == b"pard":
            self._in_table, self._level = False, 0
        elif word == b"intbl":
            self._in_table = True
        elif word == b"s" and number in self._styles:
            self._level = self._styles[number]
        elif word == b"outlinelevel" and number is not None and 0 <= number < BODY_TEXT:
            self._level = number + 1

    def _end_paragraph(self) -> None:
        text = "".join(self._text).strip()
        self._text = []
        if not text:
            self._listed = False
            return
        self._end_table()
        if self._level:
            self._outline.heading(self._level, text)
        elif self._listed:
            self._outline.item(f"- {text}")
        else:
            self._outline.paragraph(text)
        self._listed = False

    def _end_table(self) -> None:
        if self._rows:
            self._outline.table(self._rows)
        self._rows = []


def _codepage(number: int | None) -> str | None:
    name = {65001: "utf-8", 10000: "mac_roman", 936: "gbk"}.get(number or 0, f"cp{number}")
    try:
        b"".decode(name)
    except LookupError:
        return None
    return name
