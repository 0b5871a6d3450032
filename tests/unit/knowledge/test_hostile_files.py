"""Files that are damaged, or made to do harm: each is read or refused with a sentence, and soon."""

import random
import re
import time
from pathlib import Path

import pytest

from knowledge.formats.detection import detect
from knowledge.formats.documents import Unreadable
from knowledge.formats.reading import read
from tests.unit.knowledge.files import pdf, pdf_page, rezipped, sample, sections_of, text_of

pytestmark = pytest.mark.once

# Seconds. A machine under load takes long for anything; what would not end takes longer than this.
SOON = 20
PARTS = {
    "report.docx": "word__document_xml",
    "report.odt": "content_xml",
    "slides.pptx": "ppt__slides__slide1_xml",
    "people.xlsx": "xl__sharedStrings_xml",
}
BINARY = [
    "report.pdf",
    "report.docx",
    "report.doc",
    "report.odt",
    "report.rtf",
    "slides.pptx",
    "people.xlsx",
    "story.epub",
]


def with_entities(xml: bytes, doctype: bytes, reference: bytes) -> bytes:
    """The part with a DTD before its root, and a reference to an entity in each of its texts."""
    declaration, _, rest = xml.partition(b"?>")
    return declaration + b"?>" + doctype + re.sub(rb"(</(?:\w+:)?(?:t|p)>)", lambda end: reference + end[0], rest)


@pytest.mark.parametrize("name", PARTS)
def test_no_external_entity_is_read(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}"><!ENTITY n SYSTEM "http://192.0.2.1/">]>'.encode()
    changed = rezipped(name, **{PARTS[name]: lambda xml: with_entities(xml, doctype, b"&e;&n;")})
    text = text_of(changed)
    assert text
    assert "secret" not in text


@pytest.mark.parametrize("page", ["a.html", "a.svg"])
def test_nor_by_a_page(page: str, tmp_path: Path) -> None:
    secret = tmp_path / "file"
    secret.write_text("the secret")
    doctype = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    text = text_of(f"{doctype}<html><body><p>hello &e;</p></body></html>".encode(), page)
    assert "hello" in text
    assert "the secret" not in text


@pytest.mark.parametrize("name", PARTS)
def test_a_billion_laughs(name: str) -> None:
    entities = b'<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%b">' % (98 + depth, b"&%c;" % (97 + depth) * 50) for depth in range(8)
    )
    doctype = b"<!DOCTYPE x [" + entities + b"]>"
    with pytest.raises(Unreadable, match="damaged"):
        sections_of(rezipped(name, **{PARTS[name]: lambda xml: with_entities(xml, doctype, b"&i;")}))


@pytest.mark.parametrize("name", PARTS)
def test_a_zip_bomb(name: str) -> None:
    with pytest.raises(Unreadable, match="many times its size") as caught:
        sections_of(rezipped(name, **{PARTS[name]: lambda xml: xml + b" " * 60_000_000}))
    assert (caught.value.code, caught.value.status) == ("too_large", 413)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("content", [b"", b"<a>" * 100_000 + b"</a>" * 100_000, b"<a><b></a>", b"\xff\xfe\0"])
def test_xml_that_is_none(name: str, content: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        sections_of(rezipped(name, **{PARTS[name]: content}))


@pytest.mark.parametrize("name", BINARY)
def test_half_a_file(name: str) -> None:
    data = sample(name)
    with pytest.raises(Unreadable, match="damaged"):
        sections_of(data[: len(data) // 2])


PAGES = b"<</Type/Catalog/Pages 2 0 R>>"


@pytest.mark.parametrize(
    "data",
    [
        pdf(PAGES, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 100000000>>"),
        pdf(PAGES, b"<</Type/Pages/Kids[3 0 R]/Count 4>>", b"<</Type/Pages/Kids[2 0 R]/Count 4/Parent 2 0 R>>"),
        # Each level twice the one below: a billion pages.
        pdf(
            PAGES,
            *(b"<</Type/Pages/Kids[%d 0 R %d 0 R]/Count 2>>" % (at, at) for at in range(3, 33)),
            b"<</Type/Page>>",
        ),
        b"%PDF-1.4\n1 0 obj\n" + b"[" * 100_000,
        b"%PDF-1.7\n",
        # What it unpacks to is more than any page.
        pdf_page(b"BT (x) Tj ET\n" * 30_000_000),
    ],
    ids=["loop", "longer loop", "doubling", "nesting", "header only", "huge page"],
)
def test_an_endless_pdf(data: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Unreadable, match="damaged"):
        sections_of(data)
    assert time.monotonic() - started < SOON


def test_a_scan() -> None:
    with pytest.raises(Unreadable, match="it may be a scan"):
        sections_of(pdf_page(b"0 0 99 99 re f"))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b"{\\rtf1 " + b"{" * 200_000 + b"x" + b"}" * 200_000 + b"}",
        b"<html>" + b"<" * 1_000_000,
        b"<html><p>" + b"&" * 1_000_000,
        b"<html><p " + b"a " * 500_000 + b">x",
        b"<!-- a -->" * 6000 + b"x",
        b"<!--" * 16_000,
        b"<p " * 20_000,
        b"[a](" * 20_000,
        b"**a" * 20_000,
        b"|" + b" -" * 30_000,
        b"# " + b"[" * 100_000,
        b"a" + b" " * 2_000_000 + b"b",
        b'"' * 100_000 + b"\n,\n",
        b"x" * 10_000_000,
    ],
    ids=lambda data: data[:10].decode(),
)
@pytest.mark.parametrize("name", ["file", "a.md", "a.html", "a.csv", "a.json"])
def test_text_that_takes_long_to_look_at(data: bytes, name: str) -> None:
    started = time.monotonic()
    detect(data, name)
    assert text_of(data, name) or data.startswith(b"<")
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize("tag", [b"<div>", b"<table><tr><td>"])
def test_a_page_that_nests_too_deep(tag: bytes) -> None:
    with pytest.raises(Unreadable, match="nests too deep"):
        sections_of(b"<html><body>" + tag * 50_000 + b"hello")


def test_more_text_than_may_be() -> None:
    with pytest.raises(Unreadable, match="more than 100 characters") as caught:
        read(b"x" * 101, "a.txt", most=100)
    assert caught.value.status == 413
    with pytest.raises(Unreadable, match="more than 100 characters"):
        read(sample("report.docx"), "a.docx", most=100)


def outcome(data: bytes, name: str) -> str:
    """The text of a file, or the sentence that refuses it. Any other error is the test's."""
    try:
        return text_of(data, name)
    except Unreadable as error:
        return error.message


@pytest.mark.parametrize("name", [*BINARY, "a.html", "a.md", "a.csv", "a.json"])
def test_whatever_is_damaged(name: str) -> None:
    """Only `Unreadable` or text comes of bytes changed and cut at random."""
    whole = sample(name) if name in BINARY else b'<html># t\n\n{"a": [1, "b"],\n"c"; d}\n<p>| x | y |</p>\n' * 20
    chance = random.Random(name)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.choice([0, 1, 3, 30, 300])):
            data[chance.randrange(len(data))] = chance.choice([0, 255, chance.randrange(256)])
        del data[chance.choice([len(data), chance.randrange(len(data))]) :]
        assert "\0" not in outcome(bytes(data), name)


@pytest.mark.parametrize("name", PARTS)
def test_whatever_its_xml_says(name: str) -> None:
    chance = random.Random(name)

    def changed(xml: bytes) -> bytes:
        value = chance.choice(list(re.finditer(rb'(?<==")[^"]*(?=")|(?<=>)[^<]*(?=<)', xml)))
        return xml[: value.start()] + chance.choice([b"", b"-1", b"99999999999", b"x", b"1e400"]) + xml[value.end() :]

    for _ in range(30):
        assert outcome(rezipped(name, **{PARTS[name]: changed}), name)
