"""Ordered lists of message positions, written as runs of consecutive numbers.

A conversation that only grows is `[[1, 800]]`; one whose second message was replaced by row 41 is
`[[1, 1], [41, 41], [3, 40]]`. The order is the list's, and a position may come more than once.
"""

from collections.abc import Iterable

Ranges = list[list[int]]
# What stands for messages in a value: see `threads.references`.
Reference = int | Ranges | dict[str, "Reference"]

# More separate runs than this are read as one, gaps included: a long OR costs more than the rows between.
MAX_SPANS = 20


def to_ranges(positions: Iterable[int]) -> Ranges:
    """`[7, 8, 9, 3]` as `[[7, 9], [3, 3]]`."""
    return joined([position, position] for position in positions)


def to_positions(ranges: Ranges) -> list[int]:
    """`[[7, 9], [3, 3]]` as `[7, 8, 9, 3]`."""
    return [position for first, last in ranges for position in range(first, last + 1)]


def count(ranges: Ranges) -> int:
    """How many positions the list has."""
    return sum(last - first + 1 for first, last in ranges)


def split_last(ranges: Ranges, number: int) -> tuple[Ranges, Ranges]:
    """The list without its last `number` positions, and those.

    By 3 `[[1, 9], [41, 41]]` is `[[1, 7]]` and `[[8, 9], [41, 41]]`.
    """
    first, last = [list(span) for span in ranges], []
    while first and number > 0:
        start, end = first.pop()
        middle = max(start, end - number + 1)
        last.append([middle, end])
        number -= end - middle + 1
        if middle > start:
            first.append([start, middle - 1])
    return first, last[::-1]


def holds(ranges: Ranges, position: int) -> bool:
    """Whether a position is in the list."""
    return any(first <= position <= last for first, last in ranges)


def joined(ranges: Iterable[list[int]]) -> Ranges:
    """The ranges with those in one that continue each other: `[[1, 2], [3, 3]]` as `[[1, 3]]`."""
    joined: Ranges = []
    for first, last in ranges:
        if joined and first == joined[-1][1] + 1:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    return joined


def covering(ranges: Iterable[list[int]]) -> Ranges:
    """At most `MAX_SPANS` ascending runs that together hold every position of `ranges`, and maybe more."""
    spans: Ranges = []
    for first, last in sorted(ranges):
        if spans and first <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return spans if len(spans) <= MAX_SPANS else [[spans[0][0], spans[-1][1]]]


def ranges_in(reference: Reference | None) -> Ranges:
    """The ranges of all positions that a reference names."""
    if reference is None:
        return []
    if isinstance(reference, int):
        return [[reference, reference]]
    if isinstance(reference, list):
        return reference
    return [span for member in reference.values() for span in ranges_in(member)]
