"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(holds: Callable[[], Any], *, timeout: float = 30.0) -> Any:
    """What `holds` returns, as soon as it is true. Raises TimeoutError when it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{holds} did not hold within {timeout:g} s: {answer!r}")
        time.sleep(0.02)
    return answer
