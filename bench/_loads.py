"""So many streams at once: what is asked, what came of it, and how that is shown."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench._clients import Question, Watched

# Seconds after the last answer, in which a server puts away what it has done.
SETTLING = 0.2


@dataclass(frozen=True)
class Load:
    """The same question of so many streams at once, some times over."""

    streams: int
    question: Question
    rounds: int

    @property
    def tokens(self) -> int:
        """Of all rounds together."""
        return self.streams * self.question.tokens * self.rounds


@dataclass(frozen=True)
class Outcome:
    """The seconds of each stream until its first token and its end, and the CPU seconds of all of them together."""

    firsts: list[float]
    wholes: list[float]
    cpu: float

    def row(self, load: Load, way: str) -> str:
        """A line of the table."""
        first, last = (percentiles(times) for times in (self.firsts, self.wholes))
        ratios = " ".join(f"{seconds / load.question.ideal:5.2f}" for seconds in last)
        cells = [
            f"{way:22} {load.streams:4}",
            f"{first[0] * 1000:7.0f} {first[1] * 1000:7.0f}",
            f"{last[0]:6.2f} {last[1]:6.2f}",
            ratios,
            f"{load.tokens / self.cpu:9,.0f}",
            f"{self.cpu / len(self.wholes) * 1000:7.1f}",
        ]
        return " | ".join(cells)


_TITLES = [f"{'':27}", f"{'first token, ms':15}", f"{'whole, s':13}", f"{'x ideal':11}", f"{'tokens/':>9}", "CPU ms/"]
_PARTS = [f"{'streams':>27}", f"{'p50':>7} {'p95':>7}", f"{'p50':>6} {'p95':>6}", f"{'p50':>5} {'p95':>5}"]
HEADER = "\n".join(" | ".join(cells) for cells in (_TITLES, [*_PARTS, f"{'CPU s':>9}", f"{'run':>7}"]))


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 95th."""
    if len(times) == 1:
        return times[0], times[0]
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return cuts[9], cuts[18]


async def measure(load: Load, ask: Callable[[Question], Awaitable[Watched]], cpu: Callable[[], float]) -> Outcome:
    """Ask so often, and see how long it takes. `cpu` says what has been used so far of what is measured."""
    before = cpu()
    seen: list[Watched] = []
    for _ in range(load.rounds):
        asking = (ask(load.question) for _ in range(load.streams))
        for one in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(one, BaseException):
                raise one
            seen.append(one)
        await asyncio.sleep(SETTLING)
    return Outcome([one.first for one in seen], [one.whole for one in seen], cpu() - before)
