"""Excel workbooks since 2007, ECMA-376 part 1 chapter 18."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from io import BytesIO

from lxml import etree

from knowledge.formats.documents import Section, damaged
from knowledge.formats.outline import Outline
from knowledge.formats.zipped import Archive, attribute, local

KIND = "an Excel workbook"
COLUMNS = 16_384
# Number formats that are known without being written down, 18.8.30.
PERCENTS = {9, 10}
DATES = {*range(14, 18), 22, *range(27, 37), *range(50, 59)}
TIMES = {*range(18, 22), *range(45, 48)}
# What a format shows as it stands: quoted, escaped, colours and conditions. The letters left over are codes.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")
# Day 1 is the first of January 1900, and Excel takes 1900 for a leap year.
EPOCH, EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - Excel's times have no zone


def read(data: bytes) -> Iterable[Section]:
    """The rows of each sheet, in groups that each begin with the header, and its comments; formulas by result."""
    archive = Archive(data, KIND)
    main = next((name for kind, name in archive.related("").values() if kind == "officeDocument"), None)
    if main is None:
        raise damaged(KIND)
    book = _Book(archive, main)
    for sheet in archive.xml(main).iter("{*}sheet"):
        kind, part = book.parts.get(attribute(sheet, "id"), ("", ""))
        if kind == "worksheet" and part in archive:
            outline = Outline()
            outline.heading(1, attribute(sheet, "name"))
            outline.table(book.rows(part))
            for kind, notes in archive.related(part).values():
                if kind == "comments" and notes in archive:
                    for comment in archive.xml(notes).iter("{*}comment"):
                        outline.item(f"{attribute(comment, 'ref')}: {_text(comment)}")
            yield from outline.sections()


class _Book:
    """What the sheets of a workbook share."""

    def __init__(self, archive: Archive, main: str) -> None:
        self._archive = archive
        self.parts = archive.related(main)
        self._strings = [text for part in self._of("sharedStrings") for text in self._texts(part)]
        self._formats = [kind for part in self._of("styles") for kind in _formats(archive.xml(part))]
        properties = archive.xml(main).find("{*}workbookPr")
        from_1904 = properties is not None and attribute(properties, "date1904") in ("1", "true")
        self._epoch = EPOCH_1904 if from_1904 else EPOCH

    def _of(self, kind: str) -> list[str]:
        return [name for found, name in self.parts.values() if found == kind and name in self._archive]

    def _texts(self, part: str) -> Iterator[str]:
        for element in self._elements(part, "si"):
            yield _text(element)
            element.clear()

    def _elements(self, part: str, tag: str) -> Iterator[etree._Element]:
        """The elements of a name, one at a time: a sheet may have millions."""
        source = BytesIO(self._archive.read(part))
        try:
            for _, element in etree.iterparse(
                source, tag="{*}" + tag, resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True
            ):
                yield element
                parent = element.getparent()
                while parent is not None and element.getprevious() is not None:
                    del parent[0]
        except etree.XMLSyntaxError:
            raise damaged(KIND) from None

    def rows(self, part: str) -> Iterator[list[str]]:
        """The values of a sheet as they are shown, row by row, without the empty ones at the end."""
        for row in self._elements(part, "row"):
            cells: list[str] = []
            for cell in row:
                if shown := self._shown(cell):
                    column = _column(cell.get("r", ""), len(cells))
                    cells += [""] * (column - len(cells))
                    cells.append(shown)
                elif not cell.get("r"):
                    cells.append("")
            row.clear()
            if cells:
                yield cells

    def _shown(self, cell: etree._Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _text(cell)
        value = next((child.text or "" for child in cell if local(child) == "v"), "")
        if kind == "s":
            return self._strings[int(value)] if value.isdecimal() and int(value) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        return self._number(value, cell.get("s", "0")) if kind == "n" and value else value

    def _number(self, value: str, style: str) -> str:
        form = self._formats[int(style)] if style.isdecimal() and int(style) < len(self._formats) else ""
        try:
            number = float(value)
            if form in ("date", "time"):
                return _moment(self._epoch + timedelta(days=number), form if number >= 1 else "time")
        except (ValueError, OverflowError):
            return value
        return f"{number * 100:.10g}%" if form == "percent" else f"{number:.15g}"


def _moment(moment: datetime, form: str) -> str:
    # Times are fractions of days: they come to a second but for the last digits.
    moment = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    if form == "time":
        return moment.time().isoformat()
    return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat(" ")


def _column(reference: str, following: int) -> int:
    """The number of a cell's column from 0; `following` where it does not say."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return following
    number = 0
    for letter in match[1]:
        number = number * 26 + ord(letter) - 64
    return max(following, min(number, COLUMNS) - 1)


def _text(element: etree._Element) -> str:
    """The text of a string's runs, without the readings of its characters."""
    return "".join(run.text or "" for run in element.iter("{*}t") if _within(run) != "rPh")


def _within(element: etree._Element) -> str:
    parent = element.getparent()
    return local(parent) if parent is not None else ""


def _formats(styles: etree._Element) -> Iterator[str]:
    """What each style makes of a number: "date", "time", "percent" or nothing."""
    written = {attribute(form, "numFmtId"): attribute(form, "formatCode") for form in styles.iter("{*}numFmt")}
    for cells in styles.iter("{*}cellXfs"):
        for style in cells.iter("{*}xf"):
            number = attribute(style, "numFmtId")
            yield _form(int(number) if number.isdecimal() else 0, written.get(number, ""))


def _form(number: int, code: str) -> str:
    codes = _LITERAL.sub("", code.partition(";")[0]).lower()
    if number in PERCENTS or "%" in codes:
        return "percent"
    if number in DATES or "y" in codes or "d" in codes or codes in ("mmm", "mmmm"):
        return "date"
    return "time" if number in TIMES or "h" in codes or ("s" in codes and "0" not in codes.partition("s")[0]) else ""
