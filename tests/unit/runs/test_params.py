"""The parameters of the protocol's commands."""

import pytest
from pydantic import ValidationError

from runs.streaming.params import Reconnect


@pytest.mark.parametrize(
    ("event_id", "since"),
    [
        (None, None),
        ("0", 0),
        ("17", 17),
        ("17-gap", 17),
        ("17-19-values", 17),
        ("synth:5d0e9f4c-8f0e-4f0a-9f3b-2f4f4a6c1f11:17", 17),
    ],
)
def test_every_id_of_an_event_says_where_it_stands(event_id: str | None, since: int | None) -> None:
    assert Reconnect(last_event_id=event_id).since == since


@pytest.mark.parametrize("event_id", ["", "x", "-1", "synth:17:", "1" * 20, "\u0661"])
def test_what_is_no_id_is_refused(event_id: str) -> None:
    with pytest.raises(ValidationError, match="last_event_id"):
        Reconnect(last_event_id=event_id)
