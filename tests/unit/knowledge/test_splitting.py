"""Passages: as OpenGPTs cut them, and each knows where it is from."""

# ruff: noqa: RUF001 - Chinese punctuation

import time

import pytest

from knowledge.formats.documents import Parsed, Section
from knowledge.splitting import SIZE, Passage, split
from tests.unit.knowledge.files import sections_of

pytestmark = pytest.mark.once


def passages(*sections: Section) -> list[Passage]:
    return split(Parsed("text/plain", list(sections)))


def test_as_the_original_cut_them() -> None:
    """The texts behind golden/runs_retrieval.jsonl and golden/ingest.jsonl, as far as their lengths tell."""
    found = passages(Section("The capital of Freedonia is Fredville. " * 60))
    assert [len(passage.text) for passage in found] == [999, 992, 740]
    assert found[1].text.startswith("is Fredville. The capital of Freedonia i")
    assert len(passages(Section("word " * 1000))) == 7


@pytest.mark.parametrize(
    "text",
    [
        "word " * 1000,
        "人人生而自由，在尊严和权利上一律平等。" * 200,
        "x" * 12_345,
        "\n\n".join(f"Paragraph {number}. " + "Words and words. " * (number % 90) for number in range(100)),
        "  \n " + "a b\n" * 3000 + "  ",
    ],
)
def test_nothing_is_lost_and_nothing_too_long(text: str) -> None:
    found = passages(Section(text))
    covered = 0
    for passage in found:
        assert 0 < len(passage.text) <= SIZE
        assert passage.text == passage.text.strip()
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
        assert not text[covered : passage.start].strip()
        covered = passage.start + len(passage.text)
    assert not text[covered:].strip()
    assert len(found) < 2 * len(text) / SIZE + 2


def test_writing_without_spaces_is_cut_after_its_sentences() -> None:
    found = passages(Section("人人生而自由，在尊严和权利上一律平等。" * 200))
    assert all(passage.text.endswith("。") for passage in found)


def test_short_sections_are_put_together() -> None:
    found = passages(
        Section("One\n\na", None, "One"), Section("Two\n\nb", None, "Two"), Section("x" * 995, None, "Three")
    )
    assert found == [Passage("One\n\na\n\nTwo\n\nb", None, "One", 0), Passage("x" * 995, None, "Three", 0)]


def test_but_not_over_pages() -> None:
    found = passages(Section("a", 1), Section("b", 2), Section("c", 2, "Part"))
    assert found == [Passage("a", 1, None, 0), Passage("b\n\nc", 2, None, 0)]


def test_a_long_section_stays_alone() -> None:
    found = passages(Section("short", None, "A"), Section("word " * 300, None, "B"), Section("short", None, "C"))
    assert [passage.section for passage in found] == ["A", "B", "B", "C"]


def test_blank_text_has_no_passages() -> None:
    assert passages() == passages(Section(" \n ")) == []


def test_rows_keep_their_header() -> None:
    rows = "Name,Town\n" + "".join(f"Person {number},Town {number}\n" for number in range(500))
    found = split(Parsed("text/csv", sections_of(rows.encode(), "a.csv")))
    assert len(found) > 10
    assert all(passage.text.startswith("Name | Town\nPerson ") for passage in found)


def test_a_long_text_is_cut_soon() -> None:
    started = time.monotonic()
    assert len(passages(Section("x" * 10_000_000))) > 12_000
    assert time.monotonic() - started < 20
