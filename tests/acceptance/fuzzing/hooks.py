"""What schemathesis cannot know from the OpenAPI document. It imports this module by itself (SCHEMATHESIS_HOOKS)."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

# Texts of which a schema can only say the name of their form.
schemathesis.openapi.format("json-object", st.sampled_from(["{}", '{"a": 1}']))
schemathesis.openapi.format("cron", st.sampled_from(["0 9 * * *", "*/5 * * * 1-5"]))
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/Berlin"]))


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Not the removal of a message by an id that nobody has: 422, though the request has the right shape."""
    return not _removes(case.body)


def _removes(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("type") == "remove" or any(map(_removes, value.values()))
    return isinstance(value, list) and any(map(_removes, value))
