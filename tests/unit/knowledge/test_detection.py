"""The type is decided by the bytes, and the encoding too."""

# ruff: noqa: RUF001 - text in many scripts

import json
import os

import pytest

from knowledge.formats.decoding import decode
from knowledge.formats.detection import detect
from knowledge.formats.documents import Unreadable
from tests.unit.knowledge.files import sample, type_of, zipped

pytestmark = pytest.mark.once

OFFICE = "application/vnd.openxmlformats-officedocument."
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("report.pdf", "application/pdf"),
        ("report.docx", OFFICE + "wordprocessingml.document"),
        ("report.doc", "application/msword"),
        ("report.odt", "application/vnd.oasis.opendocument.text"),
        ("report.rtf", "application/rtf"),
        ("people.xlsx", OFFICE + "spreadsheetml.sheet"),
        ("slides.pptx", OFFICE + "presentationml.presentation"),
        ("story.epub", "application/epub+zip"),
    ],
)
@pytest.mark.parametrize("told", ["right", "a.txt", "noextension", "wrong.pdf"])
def test_binary_formats_whatever_the_name(name: str, media_type: str, told: str) -> None:
    assert detect(sample(name), name if told == "right" else told) == media_type


@pytest.mark.parametrize(
    ("text", "name", "media_type"),
    [
        ("Dear Ann,\n\nhello.", "letter", "text/plain"),
        ("Dear Ann,\n\nhello.", "letter.pdf.txt", "text/plain"),
        ("<p>an element</p> in a text", "a.txt", "text/plain"),
        ("\ufeff \n<!-- x --><!DOCTYPE html><p>x", "a.txt", "text/html"),
        ("<p>one</p><p>two</p>", "a.HTML", "text/html"),
        ("no tags at all", "a.html", "text/plain"),
        ("# Title\n\ntext", "a.md", "text/markdown"),
        ("# Title\n\n- item\n- [a](b)", "README", "text/markdown"),
        ("# a comment\nx = 1\n", "a.py", "text/plain"),
        ("a,b\n1,2\n", "a.csv", "text/csv"),
        ("a\tb\n1\t2\n", "a.tsv", "text/csv"),
        ("a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "export", "text/csv"),
        ("First, one.\nSecond, two.\nThird, three.\n", "list", "text/plain"),
        ('{"a": 1}', "export", "application/json"),
        ('[{"a": 1}]', "a.txt", "application/json"),
        ('{"a": 1}\n{"a": 2}\n', "export", "application/jsonl"),
        ("{not json}", "a.json", "application/json"),
        ("[link] text", "a.txt", "text/plain"),
        ("", "a.txt", "text/plain"),
        ("", "README", "text/plain"),
        ("", "a.md", "text/markdown"),
    ],
)
def test_text_formats_by_content_and_name(text: str, name: str, media_type: str) -> None:
    assert detect(text.encode(), name) == media_type


def test_what_claims_to_be_json_and_is_not() -> None:
    assert type_of(b"{not json}", "a.json") == "text/plain"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG picture"),
        (b"MZ\x90\0" + bytes(99), "a program"),
        (b"\x7fELF" + bytes(99), "a program"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "a film"),
        (zipped(a=b"x"), "a zip archive"),
        (sample("people.xls"), "save it as xlsx"),
        (OLE + bytes(512), "an Office file of before 2007"),
        (bytes(1000), "no text"),
        (os.urandom(5000), "no text"),
    ],
)
def test_what_is_not_taken(data: bytes, what: str) -> None:
    with pytest.raises(Unreadable, match=what) as caught:
        detect(data, "a.txt")
    assert (caught.value.code, caught.value.status) == ("unsupported_document", 415)
    assert "PDF, Word (docx, doc), Excel (xlsx)" in caught.value.message


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.doc", "a.odt", "a.rtf", "a.epub", "a.pptx", "a.xlsx"])
def test_an_empty_file_is_no_document(name: str) -> None:
    with pytest.raises(Unreadable, match="empty") as caught:
        detect(b"", name)
    assert caught.value.status == 422


def test_a_locked_workbook() -> None:
    with pytest.raises(Unreadable, match="protected by a password"):
        detect(sample("locked.xlsx"), "locked.xlsx")


ENCODED = {
    "cp1252": ["Größe – „so ist es“, sagte er.", "Où est passé le garçon ? « Ici »", "• one\r\n• two", "£5, 20° ± 2°"],
    "cp1250": ["Příliš žluťoučký kůň úpěl ďábelské ódy", "Szybki brązowy lis przeskoczył nad leniwym psem"],
    "cp1251": ["Съешь ещё этих мягких французских булок", "Привет, мир!"],
    "koi8_r": ["Съешь ещё этих мягких французских булок", "Привет, мир!"],
    "cp866": ["Съешь ещё этих мягких французских булок"],
    "cp1253": ["Καλημέρα κόσμε, τι κάνετε σήμερα;"],
    "cp1254": ["Şimdi ağaçların altında oturuyoruz, ışık güzel"],
    "cp1255": ["שלום עולם, מה שלומך היום?"],
    "cp1256": ["مرحبا بالعالم، كيف حالك اليوم"],
    "shift_jis": ["東京は日本の首都です。", "こんにちは世界"],
    "euc_jp": ["すべての人間は、生まれながらにして自由であり"],
    "iso2022_jp": ["東京は日本の首都です。"],
    "gb18030": ["北京是中华人民共和国的首都。", "你好，世界"],
    "big5": ["人人生而自由，在尊嚴和權利上一律平等。"],
    "euc_kr": ["서울은 대한민국의 수도이다."],
    "utf-8": ["naïve 日本語 😀"],
    "utf-8-sig": ["naïve 日本語 😀"],
    "utf-16": ["naïve 日本語 😀"],
    "utf-16-le": ["hello there", "Вчера я ходил в магазин", "人人生而自由 ok\n"],
    "utf-16-be": ["Καλημέρα κόσμε, τι κάνετε"],
    "utf-32": ["naïve"],
}


@pytest.mark.parametrize(("encoding", "text"), [(encoding, text) for encoding in ENCODED for text in ENCODED[encoding]])
def test_text_in_any_encoding(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text
    assert decode((text + "\n").encode(encoding) * (1 if encoding.endswith(("sig", "16", "32")) else 50)).startswith(
        text
    )


def test_a_large_file_is_judged_by_its_beginning() -> None:
    text = "北京是中华人民共和国的首都。" * 10_000
    for shift in ("", "a", "ab"):
        assert decode((shift + text).encode("gb18030")) == shift + text


def test_json_sample_is_not_cut_into_nonsense() -> None:
    rows = json.dumps([{"name": "x" * 100, "number": number} for number in range(2000)])
    assert detect(rows.encode(), "export") == "application/json"
