"""What of a thread goes to a model: nothing a provider would refuse, and no more than the model can read.

Stored messages are never touched: this makes the list for one call.
"""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph.message import add_messages

from agents.catalogue import ModelEntry

# Tokens of the context window that are left for the answer.
ANSWER_TOKENS = 1024
# UTF-8 bytes in one token, and tokens around each message, as an estimate on the safe side: English has
# about four bytes a token, Chinese about three. Text of digits or symbols alone may have more tokens.
BYTES_PER_TOKEN = 3
MESSAGE_TOKENS = 8


class Conversation(TypedDict):
    """The state of every graph: the thread's messages."""

    messages: Annotated[list[AnyMessage], add_messages]


def new_id() -> str:
    """An id for a message that is not the model's own."""
    return str(uuid.uuid4())


def notice(kind: str, text: str) -> AIMessage:
    """A message of this server to the user. It stays in the thread and is never sent to a model."""
    return AIMessage(content=text, id=new_id(), additional_kwargs={"notice": kind})


def has_notice(messages: Sequence[BaseMessage], kind: str) -> bool:
    """Whether the thread already has a notice of this kind."""
    return any(message.additional_kwargs.get("notice") == kind for message in messages)


def history(messages: Sequence[BaseMessage], entry: ModelEntry, *, system: str) -> list[BaseMessage]:
    """The messages to send to `entry`, behind the system message `system`, which they leave room for.

    Tool calls go along, with their results, to models that can use tools; other models get the text alone.
    """
    sendable = with_tool_calls(messages) if entry.can_use_tools else spoken(messages)
    return newest_that_fit(sendable, entry, system=system)


def with_prompt(system: str, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """`messages` behind a system message, where there is one to give."""
    return [SystemMessage(content=system), *messages] if system else list(messages)


def spoken(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What people and models said: no tool calls, no results, no notices, nothing empty.

    Answers that follow each other become one, because the templates of small models want turns to alternate.
    """
    said: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, HumanMessage | SystemMessage):
            said.append(message)
        elif isinstance(message, AIMessage) and not _is_notice(message) and message.text:
            if said and isinstance(said[-1], AIMessage):
                said[-1] = AIMessage(content=f"{said[-1].text}\n{message.text}")
            else:
                said.append(AIMessage(content=message.text))
    return said


def with_tool_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What was said, and the tool calls that directly have all their results.

    Providers refuse a call without a result and a result without a call, so both are left out.
    """
    sendable: list[BaseMessage] = []
    for index, message in enumerate(messages):
        if isinstance(message, HumanMessage | SystemMessage):
            sendable.append(message)
        elif isinstance(message, AIMessage) and not _is_notice(message):
            results = _results(message, messages[index + 1 :])
            if results:
                calls = AIMessage(content=message.text, tool_calls=message.tool_calls)
                sendable += [calls, *(ToolMessage(_plain(r.content), tool_call_id=r.tool_call_id) for r in results)]
            elif message.text:
                sendable.append(AIMessage(content=message.text))
    return sendable


def newest_that_fit(messages: list[BaseMessage], entry: ModelEntry, *, system: str) -> list[BaseMessage]:
    """The newest of `messages` that fit `entry`'s context window, beside `system` and room for the answer.

    They start with a human message, so that no answer stands without its question and no tool result
    without its call. What follows the last human message is sent whatever its size: a provider that
    finds it too long says so, which is better than an answer to something else.
    """
    if entry.context_window is None:
        return messages
    room = entry.context_window - ANSWER_TOKENS - estimated_tokens(system)
    turns = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not turns:
        return messages
    start = len(messages)
    for first in reversed(turns):
        room -= sum(estimated_tokens(message.content) for message in messages[first:start])
        if room < 0 and start < len(messages):
            break
        start = first
    # Everything fits: what stands before the first human message (an opening line, say) goes along.
    return messages if start == turns[0] and room >= _tokens(messages[:start]) else messages[start:]


def estimated_tokens(content: Any) -> int:
    """About how many tokens a message with this content takes; rather too many than too few."""
    return MESSAGE_TOKENS + len(str(content).encode(errors="replace")) // BYTES_PER_TOKEN


def _tokens(messages: Sequence[BaseMessage]) -> int:
    return sum(estimated_tokens(message.content) for message in messages)


def _is_notice(message: BaseMessage) -> bool:
    return "notice" in message.additional_kwargs


def _results(message: AIMessage, following: Sequence[BaseMessage]) -> list[ToolMessage]:
    """The results of all of `message`'s tool calls, from right behind it; none if one is missing."""
    wanted = [call["id"] for call in message.tool_calls]
    found: dict[str | None, ToolMessage] = {}
    for after in following[: len(wanted)]:
        if isinstance(after, ToolMessage):
            found.setdefault(after.tool_call_id, after)
    return [found[call_id] for call_id in wanted] if all(call_id in found for call_id in wanted) else []


def _plain(content: Any) -> str:
    """A tool result as text: documents as their text, whatever else as it is."""
    if isinstance(content, str):
        return content
    parts = [
        str(item.get("page_content") or item.get("text") or item) if isinstance(item, dict) else str(item)
        for item in content
    ]
    return "\n\n".join(parts)
