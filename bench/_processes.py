"""Which cores processes run on, and what they use of processor and memory. For Linux: it reads `/proc`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import Service, accepts_connections

_TICKS = os.sysconf("SC_CLK_TCK")


def split_cores() -> tuple[set[int], set[int]]:
    """One core for what is measured, and the others for what measures it; the same one where there is no other."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


@contextmanager
def cores(which: set[int]) -> Iterator[None]:
    """Within it this thread, and the processes that it starts, are on these cores. The processes stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, which)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """What a process has used of processors so far, all its threads together."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """The memory that a process has now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has ended")


class ModelServer(Service):
    """`bench/_model_server.py` as a process."""

    def __init__(self) -> None:
        super().__init__("model")
        command = [sys.executable, "-m", "bench._model_server", "--port", str(self.port)]
        self.start(command, lambda: accepts_connections(self.port), cwd=Path(__file__).parent.parent)

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is set to."""
        return f"http://127.0.0.1:{self.port}/v1"
