"""What each format's text keeps: headings, tables, notes, boxes, and every script."""

import io
import json

import pypdf
import pytest

from knowledge.formats.documents import Section, Unreadable
from tests.unit.knowledge.files import pdf_page, rezipped, sample, sections_of, text_of

pytestmark = pytest.mark.once

REPORTS = ["report.docx", "report.doc", "report.odt", "report.rtf"]
UNICODE = "naïve café, 日本語, Привет, 😀 emoji."


@pytest.mark.parametrize("name", REPORTS)
def test_headings_name_the_sections(name: str) -> None:
    sections = sections_of(sample(name))
    names = [section.section for section in sections]
    assert names[-3:] == ["Chapter One", "Chapter One > Part A", "Chapter Two"]
    assert "Annual Report" in sections[0].text
    assert sections[-1].text.startswith("Chapter Two\n\nBody of the second chapter.")


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_that_is_written_is_lost(name: str) -> None:
    text = text_of(sample(name))
    for words in (
        f"The capital of Freedonia is Fredville — {UNICODE}",
        "First bullet",
        "Number one",
        "See the linked page inserted words",
        "Content control text",
        "Footnote words",
    ):
        assert words in text
    assert text.count("Text box words") == 1


@pytest.mark.parametrize("name", REPORTS)
def test_tables_keep_their_rows(name: str) -> None:
    assert "Name | Age | City\nAnn | 31 | Oslo\nBob | 42 | Łódź Nested left Nested right" in text_of(sample(name))


@pytest.mark.parametrize("name", ["report.docx", "report.odt", "report.rtf"])
def test_deleted_words_stay_deleted(name: str) -> None:
    assert "deleted words" not in text_of(sample(name))


def test_notes_stand_where_they_belong() -> None:
    assert "Body of the second chapter. [Footnote words]" in text_of(sample("report.docx"))
    assert text_of(sample("report.docx")).endswith("Header line\nFooter line")


def test_pdf_by_pages() -> None:
    [page] = sections_of(sample("report.pdf"))
    assert (page.page, page.section) == (1, "Chapter One")
    for words in ("Привет", "Bob 42 Łódź", "Text box words", "Footnote words", "• First bullet"):
        assert words in page.text


def test_pdf_joins_words_that_were_broken() -> None:
    [page] = sections_of(pdf_page(b"BT /F1 12 Tf 14 TL 0 80 Td (a docu-) Tj T* (ment of X-) Tj T* (Ray) Tj ET"))
    assert page.text == "a document of X-\nRay"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_pdf_with_an_owners_password_is_read(algorithm: str) -> None:
    assert "Привет" in text_of(_encrypted("", algorithm))


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_pdf_with_a_users_password_is_not(algorithm: str) -> None:
    with pytest.raises(Unreadable, match="protected by a password"):
        sections_of(_encrypted("secret", algorithm))


def _encrypted(password: str, algorithm: str) -> bytes:
    writer = pypdf.PdfWriter()
    writer.append(pypdf.PdfReader(io.BytesIO(sample("report.pdf"))))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_slides_with_their_notes() -> None:
    assert sections_of(sample("slides.pptx")) == [
        Section("Slide title one\n\nPoint one\nPoint two\n\nSpeaker notes words", 1, "Slide title one"),
        Section(
            "Table slide\n\nName | City\nAnn | Oslo 😀\n\nGrouped box words\n\nSales Q1 | East | West | 19.2 | 21.4",
            2,
            "Table slide",
        ),
    ]


def test_sheets_as_they_are_shown() -> None:
    people, costs, many = sections_of(sample("people.xlsx"))
    assert people.text == (
        "People\n\nName | Born | Share | Active | Score\nAnn | 1990-05-17 | 25% | TRUE | 3\n"
        "Bob Łódź | 1985-01-02 13:30:00 | 50% | FALSE | 0.3"
    )
    assert costs == Section("Costs 日本\n\nCosts of 2024\n\nItem | EUR\nRent 😀 | 1200", None, "Costs 日本")
    groups = many.text.split("\n\n")[1:]
    assert len(groups) > 2
    assert all(group.startswith("id | text\n") for group in groups)
    assert groups[-1].endswith("199 | row 199 text")


def test_cells_keep_their_columns() -> None:
    sheet = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
        <dimension ref="A1:XFD1048576"/><sheetData>
        <row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c><c r="C1" t="str"><v>c</v></c></row>
        <row r="1048576"><c r="A1048576"><v>1</v></c><c r="C1048576" t="e"><v>#REF!</v></c></row>
        </sheetData></worksheet>"""
    [section, *_] = sections_of(rezipped("people.xlsx", xl__worksheets__sheet1_xml=sheet))
    assert section.text == "People\n\na | b | c\n1 |  | #REF!"


def test_book_by_chapters() -> None:
    assert sections_of(sample("story.epub")) == [
        Section("Once upon a time 日本語 😀", None, "First chapter"),
        Section("Second chapter\n\nName | Age\nAnn | 31", None, "Second chapter"),
    ]


HTML = """<!doctype html><html><head><title>Page</title><style>p{}</style><script>bad()</script></head><body>
<p>Above</p><h1>One</h1><p>The <b>cap</b>ital &mdash; caf&eacute;.<br>New   line</p><ul><li>First<ul><li>Inner</li></ul>
</li><li>Second</li></ul><h2>Two</h2><table><tr><th>Name</th><th>Age</th></tr><tr><td>Ann</td><td>31</td></tr></table>
<pre>def f():
    return 1</pre><img alt="A picture" src="http://192.0.2.1/x.png"><p hidden>hidden</p>
<table><tr><td><p>Left</p><table><tr><td>a</td><td>b</td></tr></table></td></tr></table>"""


def test_html_by_headings() -> None:
    assert sections_of(HTML.encode()) == [
        Section("Above", None, "Page"),
        Section("One\n\nThe capital — café.\nNew line\n\n- First\n- Inner\n- Second", None, "One"),
        Section(
            "Two\n\nName | Age\nAnn | 31\n\ndef f():\n    return 1\n\nA picture\n\nLeft\n\na | b", None, "One > Two"
        ),
    ]


def test_html_in_its_declared_encoding() -> None:
    page = '<html><head><meta charset="iso-8859-7"></head><p>Καλημέρα</p></html>'
    assert text_of(page.encode("iso-8859-7")) == "Καλημέρα"


MARKDOWN = """Intro

# One *two*

- a

```sh
# no heading
```

Three
-----
| a | b |
|---|---|
| 1 | 2 |
"""


def test_markdown_by_headings() -> None:
    assert sections_of(MARKDOWN.encode(), "a.md") == [
        Section("Intro"),
        Section("One two\n\n- a\n\n```sh\n# no heading\n```", None, "One two"),
        Section("Three\n\n| a | b |\n|---|---|\n| 1 | 2 |", None, "One two > Three"),
    ]


def test_csv_repeats_its_header() -> None:
    rows = "Name;Town\n" + "".join(f'Person {number};"Town; {number}"\n' for number in range(200))
    groups = text_of(rows.encode("utf-8-sig"), "a.csv").split("\n\n")
    assert len(groups) > 4
    assert all(group.startswith("Name | Town\nPerson ") and len(group) <= 900 for group in groups)
    assert groups[-1].endswith("Person 199 | Town; 199")


def test_wide_rows_name_each_cell() -> None:
    header = [f"column {number}" for number in range(100)]
    rows = [header, [str(number) if number % 2 else "" for number in range(100)]]
    text = text_of("\n".join(",".join(row) for row in rows).encode(), "a.csv")
    assert "column 99: 99" in text
    assert "column 98" not in text


def test_json_by_paths() -> None:
    value = {
        "company": "Acme",
        "people": [{"name": "Ann", "age": 31}, {"name": "Bob", "age": None}],
        "a": {"b": [1.50]},
    }
    text = json.dumps(value).replace("1.5", "1.50")
    assert sections_of(text.encode()) == [
        Section("company: Acme"),
        Section("people\n\nname | age\nAnn | 31\nBob", None, "people"),
        Section("a\n\na.b: 1.50", None, "a"),
    ]


def test_json_by_lines() -> None:
    lines = b'{"a": 1, "b": {"c": "x"}}\n{"a": 2, "b": {"c": "y"}}\n'
    assert text_of(lines, "a.jsonl") == "[0].a: 1\n[0].b.c: x\n\n[1].a: 2\n[1].b.c: y"


def test_json_that_is_cut_short_is_text() -> None:
    assert text_of(b'{"a": "x", "b', "a.json") == '{"a": "x", "b'


def test_rtf_of_other_code_pages() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}\f0 caf\'e9 \f1 \'cf\'f0\'e8\'e2\'e5\'f2\par}"
    assert text_of(rtf) == "café Привет"


def test_halves_of_a_character_are_joined() -> None:
    assert text_of(rb"{\rtf1 \u-10179?\u-8704? a\u-10179?b}") == "😀 a\ufffdb"
    assert text_of(rb'{"a": "\ud83d\ude00"}') == "a: 😀"


def test_controls_are_left_out() -> None:
    assert text_of(b"a\0b\x01 c\xc2\xadd  \r\n\r\n\r\n\r\ne\n") == "ab cd\n\ne"
