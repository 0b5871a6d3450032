import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.positions import MAX_SPANS, Ranges, count, covering, holds, joined, split_last, to_positions, to_ranges


@pytest.mark.parametrize(
    ("positions", "ranges"),
    [
        ([], []),
        ([5], [[5, 5]]),
        ([1, 2, 3], [[1, 3]]),
        ([1, 41, 3, 4], [[1, 1], [41, 41], [3, 4]]),
        ([3, 2, 1], [[3, 3], [2, 2], [1, 1]]),
        ([7, 7, 8], [[7, 7], [7, 8]]),
    ],
)
def test_ranges_are_runs_of_consecutive_positions(positions: list[int], ranges: Ranges) -> None:
    assert to_ranges(positions) == ranges
    assert to_positions(ranges) == positions


@given(st.lists(st.integers(1, 200)))
def test_ranges_give_back_every_list(positions: list[int]) -> None:
    assert to_positions(to_ranges(positions)) == positions


@given(st.lists(st.integers(1, 500), min_size=1))
def test_covering_spans_hold_every_position_in_few_runs(positions: list[int]) -> None:
    spans = covering(to_ranges(positions))
    assert set(positions) <= set(to_positions(spans))
    assert len(spans) <= MAX_SPANS
    assert spans == sorted(spans)
    assert to_positions(spans) == sorted(set(to_positions(spans)))


def test_covering_reads_nothing_more_where_the_runs_are_few() -> None:
    assert covering([[5, 9], [1, 2], [8, 12], [3, 3]]) == [[1, 3], [5, 12]]


@given(st.lists(st.integers(1, 50)), st.integers(0, 60))
def test_the_last_positions_are_split_off(positions: list[int], number: int) -> None:
    before = to_ranges(positions)
    first, last = split_last(before, number)
    assert to_positions(first) == positions[: max(len(positions) - number, 0)]
    assert to_positions(last) == positions[max(len(positions) - number, 0) :]
    assert joined([*first, *last]) == before == to_ranges(positions)
    assert (count(first), count(last)) == (len(to_positions(first)), len(to_positions(last)))
    assert all(holds(before, position) == (position in positions) for position in range(60))
