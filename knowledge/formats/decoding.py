"""Bytes of text in whatever encoding."""

import codecs
import re

from knowledge.formats.guessing import guess

# Bytes. What the encoding is guessed from.
SAMPLE = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
# What an alphabet's letters have above their low byte: Latin 0 to 2, Greek 3, Cyrillic 4, Hebrew 5, Arabic 6.
_HIGH_BYTE = re.compile(rb"[\x00-\x06]")
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def decode(data: bytes, *, markup: bool = False) -> str:
    """The text that the bytes are; what its encoding does not know becomes U+FFFD. `markup` may declare its own."""
    encoding = encoding_of(data, markup=markup)
    for mark, _ in _MARKS:
        if data.startswith(mark):
            data = data[len(mark) :]
            break
    return data.decode(encoding, "replace")


def encoding_of(data: bytes, *, markup: bool = False) -> str:
    """The encoding: of the byte order mark, declared, UTF-8 where it fits, else the likeliest."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if wide := _without_mark(data[:SAMPLE]):
        return wide
    if b"\x1b$" in data[:SAMPLE] and _is(data, "iso2022_jp"):
        return "iso2022_jp"
    if _is(data, "utf-8"):
        return "utf-8"
    if markup and (declared := _DECLARED.search(data[:2048])):
        name = declared[1].decode("ascii")
        if _is_known(name):
            return name
    return guess(data[:SAMPLE], cut=len(data) > SAMPLE)


def looks_like_text(data: bytes) -> bool:
    """Whether the bytes read as text: some stray NULs do, a program's or a picture's bytes do not."""
    sample = data[:SAMPLE]
    text = decode(sample)
    strange = len(_NO_TEXT.findall(text)) + text.count("\ufffd")
    # The end of the sample may cut a character.
    allowed = 0.3 if _is(sample, "utf-8", cut=True) else 0.02
    return strange <= 1 + allowed * len(text)


def _is(data: bytes, encoding: str, *, cut: bool = False) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError:
        return False
    return True


def _is_known(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        return False


def _without_mark(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: a language's letters share their high byte, and so do spaces and line ends."""
    halves = {"utf-16-be": data[0::2], "utf-16-le": data[1::2]}
    shares = {encoding: len(_HIGH_BYTE.findall(half)) / len(half) for encoding, half in halves.items() if half}
    if not shares:
        return None
    likely = max(shares, key=lambda encoding: shares[encoding])
    share, other = shares[likely], min(shares.values())
    if share >= 0.4 and other <= 0.05:
        return likely
    if share >= 0.01 and other == 0 and len(data) % 2 == 0 and not _is(data, "utf-8", cut=True):
        text = data.decode(likely, "replace")
        return likely if "\ufffd" not in text[:-1] and not _NO_TEXT.search(text) else None
    return None
