"""Reading a file in a process that may take so much and no more."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from knowledge import parsing
from knowledge.parsing import Parsed, Section, Unreadable, parse
from tests.unit.knowledge.files import SAMPLES, SLOW, sample

pytestmark = pytest.mark.once

ROOT = Path(parsing.__file__).parent.parent


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Whatever came of the file, its process is gone and has been waited for."""
    yield
    assert readers() == []


def readers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "knowledge.formats" in " ".join(child.cmdline())]


async def appear(count: int) -> list[psutil.Process]:
    for _ in range(500):
        if len(found := readers()) == count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(readers())} processes, not {count}")


@pytest.mark.parametrize("name", ["report.pdf", "report.docx", "report.doc", "report.odt", "report.rtf"])
async def test_a_document(name: str) -> None:
    parsed = await parse(sample(name), name)
    assert parsed.media_type == parsing.detect(sample(name), name)
    assert "naïve café" in "".join(section.text for section in parsed.sections)


async def test_pages_and_sections_arrive() -> None:
    parsed = await parse(sample("slides.pptx"), "slides.pptx")
    assert [(section.page, section.section) for section in parsed.sections] == [
        (1, "Slide title one"),
        (2, "Table slide"),
    ]


async def test_an_empty_text() -> None:
    assert await parse(b"", "e.txt") == Parsed("text/plain", [])


async def test_every_line_of_a_report_is_one_section() -> None:
    text = "one\u2028two\x85three 'a' \"b\" \\ 😀"
    assert await parse(text.encode(), "a.txt") == Parsed("text/plain", [Section("one\ntwo\nthree 'a' \"b\" \\ 😀")])


@pytest.mark.parametrize(
    "name", ["a", "../../x.txt", "a.b/c", "--help", "x.\0md", "é" * 5000 + ".md", "C:\\x\\y.md", ""]
)
async def test_names_as_they_come(name: str) -> None:
    assert (await parse(b"hello", name)).sections == [Section("hello")]


async def test_why_a_file_is_not_read() -> None:
    with pytest.raises(Unreadable, match="protected by a password") as caught:
        await parse(sample("locked.xlsx"), "locked.xlsx")
    assert (caught.value.code, caught.value.status) == ("unreadable_document", 422)
    with pytest.raises(Unreadable, match="a zip archive") as caught:
        await parse(b"PK\x05\x06" + bytes(18), "a.docx")
    assert (caught.value.code, caught.value.status) == ("unsupported_document", 415)


async def test_a_file_that_takes_too_long(settings: Settings) -> None:
    settings.INGEST_TIMEOUT = 0.5
    with pytest.raises(Unreadable, match=r"more than 0\.5 seconds"):
        await parse(SLOW, "slow.pdf")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep to RLIMIT_AS")
@pytest.mark.parametrize("memory", [30, 60, 90])
async def test_a_file_that_takes_too_much_memory(settings: Settings, memory: int) -> None:
    settings.INGEST_MEMORY_BYTES = memory * 1024 * 1024
    with pytest.raises(Unreadable, match="too much memory"):
        await parse(b'["' + b"word " * 3_900_000 + b'"]', "a.json")


async def test_too_much_text(settings: Settings) -> None:
    settings.INGEST_MAX_CHARACTERS = 1000
    with pytest.raises(Unreadable, match="more than 1,000 characters") as caught:
        await parse(b"x" * 1001, "a.txt")
    assert caught.value.status == 413


async def test_a_reader_that_dies(caplog: pytest.LogCaptureFixture) -> None:
    reading = asyncio.create_task(parse(SLOW, "slow.pdf"))
    [reader] = await appear(1)
    reader.kill()
    with pytest.raises(Unreadable, match="cannot be read"):
        await reading
    assert "ended with -9" in caplog.text


async def test_cancelling_ends_the_process() -> None:
    reading = asyncio.create_task(parse(SLOW, "slow.pdf"))
    await appear(1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert readers() == []


async def test_so_many_at_once(settings: Settings) -> None:
    tasks = [asyncio.create_task(parse(SLOW, "slow.pdf")) for _ in range(4)]
    await appear(settings.INGEST_PROCESSES)
    await asyncio.sleep(0.3)
    assert len(readers()) == settings.INGEST_PROCESSES == 2
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*tasks, return_exceptions=True)
    )
    # Every place is free again.
    await asyncio.gather(*(parse(b"hello", "a.txt") for _ in range(4)))


async def test_the_event_loop_goes_on_meanwhile() -> None:
    reading = asyncio.create_task(parse(b"word " * 3_000_000, "a.txt"))
    longest, last = 0.0, time.monotonic()
    while not reading.done():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert len((await reading).sections) == 1
    assert longest < 1


async def test_a_file_sees_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    reading = asyncio.create_task(parse(SLOW, "slow.pdf"))
    [reader] = await appear(1)
    assert "OPENAI_API_KEY" not in reader.environ()
    reading.cancel()
    await asyncio.wait([reading])


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
    ],
)
def test_a_file_reaches_nothing(attempt: str) -> None:
    code = f"from knowledge.formats.__main__ import _limit; _limit(60, 2**30, 1000)\n{attempt}"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "PermissionError: A file that is read may not cause" in ended.stderr


def test_reading_starts_without_the_server() -> None:
    """No file makes its process import what the server is made of: it would take seconds."""
    code = "import sys; from knowledge.formats.reading import read\n" + "".join(
        f"read(open({os.fspath(SAMPLES / name)!r}, 'rb').read(), '', most=10**9)\n"
        for name in (
            "report.docx",
            "report.doc",
            "report.odt",
            "report.rtf",
            "people.xlsx",
            "slides.pptx",
            "story.epub",
        )
    )
    code += "print({name.partition('.')[0] for name in sys.modules} & {'django', 'langchain_core', 'numpy', 'asyncio'})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
