"""Cuts a document's text into passages to search."""

# ruff: noqa: RUF001 - Chinese and Japanese punctuation

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from knowledge.formats.documents import Parsed, Section

# Characters, as in OpenGPTs: the same text gives the same passages.
SIZE = 1000
OVERLAP = 200
# Paragraphs, lines, words; then, for writing without spaces, after what ends its sentences and clauses. What is
# longer even so is cut into pieces of 100, not of 1, which would take ten times as long.
SEPARATORS = ["\n\n", "\n", " ", "(?<=[。．！？])", "(?<=[、，；：])", "(?s:.{100})"]
BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: at most `SIZE` characters, never blank.

    `page` and `section` are those of the section it begins in, `start` the number of characters before it there.
    """

    text: str
    page: int | None
    section: str | None
    start: int


def split(parsed: Parsed) -> list[Passage]:
    """The passages of a document, in its order. Takes time with the text: call it off the event loop.

    A section that is too long is cut, with an overlap. Short ones that follow each other are put together as far
    as they fit, as long as they are of one page: the page a passage names is always true, its section is the
    one it begins in.
    """
    return [passage for sections in _groups(parsed.sections) for passage in _passages(sections)]


def _groups(sections: Iterable[Section]) -> Iterator[list[Section]]:
    """Sections that fit one passage together; each that does not fit alone."""
    group: list[Section] = []
    size = 0
    for section in sections:
        length = len(section.text.strip())
        if not length:
            continue
        if group and (section.page != group[0].page or size + len(BETWEEN) + length > SIZE):
            yield group
            group, size = [], 0
        size += length + (len(BETWEEN) if group else 0)
        group.append(section)
    if group:
        yield group


def _passages(sections: list[Section]) -> Iterator[Passage]:
    first = sections[0]
    text = BETWEEN.join(section.text.strip() for section in sections)
    if len(text) <= SIZE:
        yield Passage(text, first.page, first.section, len(first.text) - len(first.text.lstrip()))
        return
    # Imported here because it takes longer than all of Django, and only this needs it.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=SIZE, chunk_overlap=OVERLAP, separators=SEPARATORS, is_separator_regex=True, add_start_index=True
    )
    for document in splitter.create_documents([first.text]):
        if document.page_content.strip():
            yield Passage(document.page_content, first.page, first.section, document.metadata["start_index"])
