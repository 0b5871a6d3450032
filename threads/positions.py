"""Ordered lists of message positions, written as runs of consecutive numbers.

A conversation that only grows is `[[1, 800]]`; one whose second message was replaced by row 41 is
`[[1, 1], [41, 41], [3, 40]]`. The order is the list's, and a position may come more than once.
"""

from collections.abc import Iterable

Ranges = list[list[int]]

# More separate runs than this are read as one, gaps included: a long OR costs more than the rows between.
MAX_SPANS = 20


def to_ranges(positions: Iterable[int]) -> Ranges:
    """`[7, 8, 9, 3]` as `[[7, 9], [3, 3]]`."""
    ranges: Ranges = []
    for position in positions:
        if ranges and position == ranges[-1][1] + 1:
            ranges[-1][1] = position
        else:
            ranges.append([position, position])
    return ranges


def to_positions(ranges: Ranges) -> list[int]:
    """`[[7, 9], [3, 3]]` as `[7, 8, 9, 3]`."""
    return [position for first, last in ranges for position in range(first, last + 1)]


def covering(ranges: Iterable[list[int]]) -> Ranges:
    """At most `MAX_SPANS` ascending runs that together hold every position of `ranges`, and maybe more."""
    spans: Ranges = []
    for first, last in sorted(ranges):
        if spans and first <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return spans if len(spans) <= MAX_SPANS else [[spans[0][0], spans[-1][1]]]
