"""What tests of quotas share."""

from collections.abc import Iterator

import pytest

from quotas.storage import forget_measurements


@pytest.fixture(autouse=True)
def _measured_anew() -> Iterator[None]:
    """Users of other tests have had the same ids."""
    forget_measurements()
    yield
    forget_measurements()
