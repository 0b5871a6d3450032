"""Turns files into text, each in a process of its own that may take so much time and memory and no more."""

import asyncio
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from django.conf import settings

from knowledge.formats.detection import detect
from knowledge.formats.documents import Parsed, Section, Unreadable

__all__ = ["Parsed", "Section", "Unreadable", "detect", "parse"]

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
# Of the environment, what Python needs to start. The rest, the keys above all, is no business of a file's.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR", "SYSTEMROOT")
# Seconds between looks for a free slot.
POLL = 0.05
LOGGED = 4000


async def parse(data: bytes, name: str) -> Parsed:
    """The text of a file, and its media type by its content; `name` tells text formats apart.

    Files beyond `INGEST_PROCESSES` wait. Reading one takes `INGEST_TIMEOUT` seconds at most, `INGEST_MEMORY_BYTES`
    and `INGEST_MAX_CHARACTERS` of text. Cancelling ends the process. Raises `Unreadable`.
    """
    async with _slot():
        with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as report, tempfile.TemporaryFile() as errors:
            await asyncio.to_thread(_store, data, file)
            status = await _run(_suffix(name), file, report, errors)
            return await asyncio.to_thread(_outcome, status, report, errors)


@cache
def _slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(settings.INGEST_PROCESSES)


@asynccontextmanager
async def _slot() -> AsyncIterator[None]:
    """One of the processes that may run at once."""
    # Not asyncio's semaphore, which belongs to one event loop: a sync view may run this in another.
    while not _slots().acquire(blocking=False):  # noqa: ASYNC110
        await asyncio.sleep(POLL)
    try:
        yield
    finally:
        _slots().release()


def _store(data: bytes, file: IO[bytes]) -> None:
    file.write(data)
    file.seek(0)


def _suffix(name: str) -> str:
    """The end of a file's name, as an argument may be."""
    return re.sub(r"[^A-Za-z0-9.]", "", PurePosixPath(name.replace("\\", "/")).suffix)[:20]


async def _run(suffix: str, file: IO[bytes], report: IO[bytes], errors: IO[bytes]) -> int:
    """Read a file in a process. Returns its exit status; it has ended then, however this ends."""
    limits = (settings.INGEST_TIMEOUT, settings.INGEST_MEMORY_BYTES, settings.INGEST_MAX_CHARACTERS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-s", "-m", "knowledge.formats", suffix, *map(str, limits),
        stdin=file, stdout=report, stderr=errors, cwd=ROOT, start_new_session=True,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | {"PYTHONUTF8": "1"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(settings.INGEST_TIMEOUT):
            return await process.wait()
    except TimeoutError:
        raise Unreadable(f"The file takes more than {settings.INGEST_TIMEOUT:g} seconds to read.") from None
    finally:
        if process.returncode is None:
            # Its whole session: whatever it may have started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _outcome(status: int, report: IO[bytes], errors: IO[bytes]) -> Parsed:
    """What the process reported."""
    report.seek(0)
    lines = report.read().decode("utf-8", "replace").rstrip("\n").split("\n")
    with suppress(json.JSONDecodeError):
        match json.loads(lines[-1]):
            case {"media_type": str(media_type)}:
                return Parsed(media_type, [Section(*json.loads(line)) for line in lines[:-1]])
            case {"code": str(code), "message": str(message)}:
                logger.info("A file was not read: %s", message)
                raise Unreadable(message, code=code)
    errors.seek(0)
    logger.warning(
        "The process that read a file ended with %d: %s", status, errors.read()[-LOGGED:].decode(errors="replace")
    )
    raise Unreadable("The file cannot be read: it is damaged, or takes too much memory.")
