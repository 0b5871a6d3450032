"""CSV and TSV."""

import csv
from collections import Counter
from collections.abc import Iterable
from io import StringIO

from knowledge.formats.documents import Section
from knowledge.formats.outline import Outline

DELIMITERS = ",;\t|"
SAMPLE_LINES = 50


def read(text: str) -> Iterable[Section]:
    """The rows, in groups that each begin with the header. Raises `ValueError` where there are none."""
    # The limit is the process's: never lower it for others.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    outline = Outline()
    try:
        outline.table(csv.reader(StringIO(text, newline=""), delimiter=delimiter(text) or ","))
    except csv.Error as error:
        raise ValueError("no rows") from error
    return outline.sections()


def delimiter(text: str) -> str | None:
    """What parts the columns: the character that cuts most lines into the same number of them. None where none does."""
    lines = [line for line in text[:100_000].splitlines() if line.strip()][:SAMPLE_LINES]
    best, most = None, 0
    for char in DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=char))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        if width > 1 and count * 2 > sum(widths.values()) and width * count > most:
            best, most = char, width * count
    return best


def columns(text: str) -> int:
    """The columns that every line of the beginning has, or 0 where the lines differ: prose does."""
    char = delimiter(text)
    # The last line of the sample may be cut.
    lines = [line for line in text[:10_000].splitlines() if line.strip()][:SAMPLE_LINES]
    if char is None or len(lines) < 3:
        return 0
    widths = {len(row) for row in csv.reader(lines[:-1], delimiter=char)}
    return widths.pop() if len(widths) == 1 else 0
