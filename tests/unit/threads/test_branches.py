"""The leaves of a tree of checkpoints, and where each leaves the newer ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.branches import leaves_of

pytestmark = pytest.mark.once


def newest_first(*parents: str) -> dict[str, str]:
    """Nodes named "1", "2", … in the order they were made, by the parent of each."""
    return dict(reversed([(str(number), parent) for number, parent in enumerate(parents, start=1)]))


def test_trees() -> None:
    assert leaves_of({}) == []
    assert leaves_of(newest_first("", "1", "2")) == [("3", None)]
    assert leaves_of(newest_first("", "1", "1", "2", "2")) == [("5", None), ("4", "2"), ("3", "1")]
    # The oldest leaves the branch of 4 at 2; the newest it left at 1 already.
    assert leaves_of(newest_first("", "1", "2", "2", "1")) == [("5", None), ("4", "1"), ("3", "2")]


def test_what_has_no_parent_left_shares_nothing() -> None:
    assert leaves_of(newest_first("", "1", "gone", "gone")) == [("4", None), ("3", None), ("2", None)]


def test_a_long_past() -> None:
    assert leaves_of(newest_first("", *map(str, range(1, 5000)), "2500")) == [("5001", None), ("5000", "2500")]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    size = draw(st.integers(1, 12))
    return newest_first(*(str(draw(st.integers(0, number))) for number in range(size)))


@given(trees())
def test_forks_are_as_they_are_defined(parents: dict[str, str]) -> None:
    def path(node: str) -> list[str]:
        return [node, *path(parents[node])] if node in parents else []

    leaves = [node for node in parents if node not in parents.values()]
    found = leaves_of(parents)
    assert [leaf for leaf, _ in found] == leaves
    for number, (leaf, fork) in enumerate(found):
        newer = {node for other in leaves[:number] for node in path(other)}
        shared = [node for node in path(leaf) if node in newer]
        assert fork == (shared[0] if shared else None)
