"""How far back in its thread a run looks.

This only saves work: where it says too little, somebody raises `EarlierNeeded` (see `agents.earlier`).
"""

from collections.abc import Callable, Sequence

from langchain_core.messages import BaseMessage, HumanMessage

from agents.config import AgentConfig
from agents.context_window import newest_that_fit
from agents.conversation import readable, spoken, with_tool_calls
from agents.earlier import Earlier, EarlierNeeded
from agents.language_models.model_entry import ModelEntry

# Whether these newest messages of a thread are all that a run looks at, whatever is said next.
IsEnough = Callable[[Sequence[BaseMessage]], bool]


def reach_of(config: AgentConfig, entry: ModelEntry) -> IsEnough | None:
    """What tells how many of a thread's newest messages its graph needs; None where it may need them all."""
    # The user is told once that the model cannot use the tools: that may be anywhere in the thread.
    tells_of_tools = bool(config.tools) and not entry.can_use_tools
    if entry.context_window is None or tells_of_tools:
        return None
    calls_too = entry.can_use_tools and config.type != "chat_retrieval"

    def is_enough(messages: Sequence[BaseMessage]) -> bool:
        # With an empty message said next and nothing beside it, the model has room for as many as it ever will.
        thread = [Earlier(content=""), *messages, HumanMessage("")]
        sendable = with_tool_calls(thread) if calls_too else spoken(thread)
        try:
            newest_that_fit(readable(sendable, entry), entry, system="")
        except EarlierNeeded:
            return False
        return True

    return is_enough
