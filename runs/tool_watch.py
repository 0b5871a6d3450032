"""Notices when a run's tools begin to work. Importing this imports LangChain."""

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler


class ToolWatch(BaseCallbackHandler):
    """A callback that tells `started` of each tool call: its id, the tool's name, and the arguments."""

    # In the order of events, in the run's own task.
    run_inline = True

    def __init__(self, started: Callable[[str, str, Any], None]) -> None:
        self._started = started

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        inputs: dict[str, Any] | None = None,
        tool_call_id: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Without an id nobody called it but another tool.
        if tool_call_id is not None:
            self._started(tool_call_id, (serialized or {}).get("name") or name or "", inputs or {})
