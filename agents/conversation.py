"""What of a thread goes to a model: nothing a provider would refuse, and no more than the model can read.

Stored messages are never touched: this makes the list for one call. `agents.context_window` says how much fits.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph.message import add_messages

from agents.context_window import newest_that_fit
from agents.earlier import Earlier, need_all
from agents.language_models.model_entry import ModelEntry
from agents.language_models.providers import PROVIDERS


class Conversation(TypedDict):
    """The state of every graph: the thread's messages."""

    messages: Annotated[list[AnyMessage], add_messages]


def new_id() -> str:
    """An id for a message that is not the model's own."""
    return str(uuid.uuid4())


def notice(kind: str, text: str) -> AIMessage:
    """A message of this server to the user. It stays in the thread and is never sent to a model."""
    return AIMessage(content=text, id=new_id(), additional_kwargs={"notice": kind})


def told(messages: Sequence[BaseMessage], kind: str) -> str | None:
    """The thread's newest notice of this kind; None where there is none. Raises `EarlierNeeded`."""
    for message in reversed(messages):
        if message.additional_kwargs.get("notice") == kind:
            return message.text
    need_all(messages)
    return None


def history(messages: Sequence[BaseMessage], entry: ModelEntry, *, system: str, reserved: int = 0) -> list[BaseMessage]:
    """The messages to send to `entry`, behind the system message `system`, which they leave room for.

    Tool calls go along, with their results, to models that can use tools; other models get the text alone.
    `reserved` are tokens of the context window that something else takes. Raises `EarlierNeeded`.
    """
    sendable = with_tool_calls(messages) if entry.can_use_tools else spoken(messages)
    return newest_that_fit(readable(sendable, entry), entry, system=system, reserved=reserved)


def with_prompt(system: str, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """`messages` behind a system message, where there is one to give."""
    return [SystemMessage(content=system), *messages] if system else list(messages)


def readable(messages: Sequence[BaseMessage], entry: ModelEntry) -> list[BaseMessage]:
    """The messages as `entry` can read them.

    To a model that has no eyes, an image is the word for it. So is a file that stands at an address to those
    whose package would fetch it: a user could have this server call whatever it can reach, past `agents.outgoing`.
    """
    if not entry.can_see_images:
        shown: Callable[[list[Any]], Any] = _plain
    elif PROVIDERS[entry.provider].fetches_files:
        shown = _without_addresses
    else:
        return list(messages)
    return [
        message if isinstance(message.content, str) else message.model_copy(update={"content": shown(message.content)})
        for message in messages
    ]


def spoken(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What people and models said: no tool calls, no results, no notices, nothing empty.

    Answers that follow each other become one, because the templates of small models want turns to alternate.
    Messages that are not loaded stay so.
    """
    said: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, HumanMessage | SystemMessage | Earlier):
            said.append(message)
        elif isinstance(message, AIMessage) and not _is_notice(message) and message.text:
            if said and isinstance(said[-1], AIMessage):
                said[-1] = AIMessage(content=f"{said[-1].text}\n{message.text}")
            else:
                said.append(AIMessage(content=message.text))
    return said


def with_tool_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What was said, and the tool calls that directly have all their results.

    Providers refuse a call without a result and a result without a call, so both are left out. Of answers in blocks
    (reasoning beside text, say) the text is sent, but in the running turn the blocks: providers want their own
    reasoning back beside the calls that came of it. Messages that are not loaded stay so.
    """
    sendable: list[BaseMessage] = []
    running = max((i for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    for index, message in enumerate(messages):
        if isinstance(message, HumanMessage | SystemMessage | Earlier):
            sendable.append(message)
        elif isinstance(message, AIMessage) and not _is_notice(message):
            results = _results(message, messages, index + 1)
            if results:
                sendable += [_calling(message, whole=index > running), *results]
            elif message.text:
                sendable.append(AIMessage(content=message.text))
    return sendable


def _calling(message: AIMessage, *, whole: bool) -> AIMessage:
    if whole and isinstance(message.content, list):
        return message.model_copy(update={"additional_kwargs": {}, "invalid_tool_calls": []})
    return AIMessage(content=message.text, tool_calls=message.tool_calls)


def _is_notice(message: BaseMessage) -> bool:
    return "notice" in message.additional_kwargs


def _results(message: AIMessage, messages: Sequence[BaseMessage], behind: int) -> list[BaseMessage]:
    """The results of all of `message`'s tool calls, from `behind` it on; none if one is missing."""
    found: dict[str | None, ToolMessage] = {}
    while behind < len(messages) and isinstance(after := messages[behind], ToolMessage):
        found.setdefault(after.tool_call_id, after)
        behind += 1
    wanted = [call["id"] for call in message.tool_calls]
    if not all(call_id in found for call_id in wanted):
        return []
    results = [found[call_id] for call_id in wanted]
    return [ToolMessage(_plain(r.content), tool_call_id=r.tool_call_id, status=r.status) for r in results]


def _plain(content: Any) -> str:
    """Content as text: documents and text as they are, of an image or a file the word for it."""
    return content if isinstance(content, str) else "\n\n".join(_plain_block(block) for block in content)


def _without_addresses(content: list[Any]) -> list[Any]:
    return [{"type": "text", "text": _plain_block(block)} if _has_address(block) else block for block in content]


def _has_address(block: Any) -> bool:
    """Whether a block names a file and does not hold it."""
    if not isinstance(block, dict):
        return False
    image = block.get("image_url")
    named = [block.get("url"), image.get("url") if isinstance(image, dict) else image]
    return any(isinstance(address, str) and not address.startswith("data:") for address in named)


def _plain_block(block: Any) -> str:
    if not isinstance(block, dict):
        return str(block)
    text = block.get("page_content") or block.get("text")
    if text:
        return str(text)
    return f"[{str(block['type']).removesuffix('_url')}]" if isinstance(block.get("type"), str) else str(block)
