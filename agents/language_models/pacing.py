"""How often each answer is looked at by a process that has many things in hand.

A chunk costs LangChain, and all that comes after it, the same whatever is in it. So whoever has much to do looks at
each answer less often, and finds more in it: what streams already leaves time to what has still to begin.
"""

from collections.abc import Iterator
from contextlib import contextmanager

# Runs that go on and answers that are read, together; up to so many, answers are read as they come.
_AS_THEY_COME = 16
# For each one more, every answer is looked at later by so many seconds, but never later than the longest. A chunk costs
# about a millisecond and a run has one answer, mostly: at 64 runs, streaming takes a third of a core.
_PACE, _LONGEST = 0.002, 0.4

_in_hand: set[object] = set()


@contextmanager
def in_hand() -> Iterator[None]:
    """Count what goes on here as one more thing that this process has in hand, on whatever event loop."""
    thing = object()
    _in_hand.add(thing)
    try:
        yield
    finally:
        _in_hand.discard(thing)


def pause() -> float:
    """Seconds for which an answer is not looked at again."""
    return min(max(0, len(_in_hand) - _AS_THEY_COME) * _PACE, _LONGEST)
