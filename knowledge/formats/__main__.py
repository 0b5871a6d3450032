"""The process that reads one file: `python -m knowledge.formats SUFFIX SECONDS MEMORY CHARACTERS < file > report`.

The report is JSON by lines: `[text, page, section]` for each section, then `{"media_type": ...}`, or `{"code": ...,
"message": ...}` where the file cannot be read. A report without its last line is of a process that died.
"""

import json
import logging
import math
import resource
import sys
import traceback
import warnings
from typing import Any

from knowledge.formats.documents import Unreadable
from knowledge.formats.reading import read

# Frames. Formats nest; Python's own limit is for programs that recurse by mistake.
RECURSION = 10_000
# Bytes of a report beside its text.
REPORT_REST = 64 * 1024 * 1024
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "urllib.")


def main(suffix: str, seconds: float, memory: int, characters: int) -> None:
    """Read the file on standard input and report on standard output."""
    _limit(seconds, memory, characters)
    try:
        media_type, sections = read(sys.stdin.buffer.read(), f"file{suffix}", most=characters)
        with open(sys.stdout.fileno(), "w", encoding="utf-8", errors="replace", closefd=False) as report:
            for section in sections:
                _write(report, [section.text, section.page, section.section])
            _write(report, {"media_type": media_type})
    except Unreadable as error:
        traceback.print_exc()
        _write(sys.stdout, {"code": error.code, "message": error.message})
    except MemoryError:
        _write(sys.stdout, {"code": Unreadable.code, "message": "The file takes too much memory to read."})


def _limit(seconds: float, memory: int, characters: int) -> None:
    """From here on: so much memory and time, no network, no processes.

    Linux keeps to RLIMIT_AS, macOS does not: there only the time is limited. The limit on the processor's time
    ends a process whose parent has died.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, math.ceil(seconds) + 1),
        (resource.RLIMIT_FSIZE, 4 * characters + REPORT_REST),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            # The machine's own limit is lower, or there is none of the kind.
            print(f"The limit {limit} was not set to {value}.", file=sys.stderr)
    sys.setrecursionlimit(RECURSION)
    warnings.simplefilter("ignore")
    logging.disable()
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"A file that is read may not cause {event}.")


def _write(report: Any, line: object) -> None:
    report.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
