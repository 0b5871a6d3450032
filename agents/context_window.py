"""How much of a conversation a model can read, and what is left out where it is too much.

1. The newest whole turns are sent, as many as fit beside the system message, the tools and room for the answer.
2. Where the last turn alone does not fit, its tool results are made smaller, until it does:
   a. each to RESULT_SHARE of the window at most;
   b. those of earlier steps are left out, the biggest first;
   c. those of the last step are cut to equal shares of what room is left, but not below LEAST_RESULT tokens.
3. What people and models said in that turn is sent whatever its size: a provider that finds it too long says so,
   which is better than an answer to something else.

Stored messages are never touched. Tokens are estimated, rather too many than too few.
"""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agents.earlier import need_all
from agents.language_models.model_entry import ModelEntry

# Tokens of the context window that are left for the answer.
ANSWER_TOKENS = 1024
# UTF-8 bytes in one token, and tokens around each message, as an estimate on the safe side: English has
# about four bytes a token, Chinese about three. Text of digits or symbols alone may have more tokens.
BYTES_PER_TOKEN = 3
MESSAGE_TOKENS = 8
# Tokens of an image, or of another file within a message, whatever its size in bytes: providers scale images down.
# OpenAI counts 1,105 for a large one, Anthropic about 1,600.
MEDIA_TOKENS = 1600
# The most that one tool result may have of the window where its turn is too long, and what is always left of it.
RESULT_SHARE = 0.25
LEAST_RESULT = 64

LEFT_OUT = "[This result is left out here: the conversation has grown too long. Call the tool again if it is needed.]"
CUT_OFF = "\n[The rest is left out here: the result is too long.]"

# The keys of a content block that hold a file, or say where it is.
_MEDIA_KEYS = {"base64", "data", "url", "image_url", "file", "file_id", "input_audio", "source"}


def newest_that_fit(
    messages: list[BaseMessage], entry: ModelEntry, *, system: str, reserved: int = 0
) -> list[BaseMessage]:
    """The newest of `messages` that fit `entry`'s context window, by the rules above.

    `reserved` are the tokens of what else goes along. They start with a human message, so that no answer stands
    without its question and no tool result without its call. Raises `EarlierNeeded`.
    """
    if entry.context_window is None:
        need_all(messages)
        return messages
    room = entry.context_window - ANSWER_TOKENS - estimated_tokens(system) - reserved
    turns = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not turns:
        need_all(messages)
        return _with_smaller_results(messages, room, entry.context_window)
    start = len(messages)
    left = room
    for first in reversed(turns):
        left -= _tokens(messages[first:start])
        if left < 0 and start < len(messages):
            break
        start = first
    else:
        # An earlier turn may fit as well, unless the last one alone is too long.
        if left >= 0:
            need_all(messages)
    # Everything fits: what stands before the first human message (an opening line, say) goes along.
    if start == turns[0] and left >= _tokens(messages[:start]):
        return messages
    return _with_smaller_results(messages[start:], room, entry.context_window)


def estimated_tokens(content: Any) -> int:
    """About how many tokens a message with this content takes."""
    blocks = content if isinstance(content, list) else [content]
    return MESSAGE_TOKENS + sum(_block_tokens(block) for block in blocks)


def message_tokens(message: BaseMessage) -> int:
    """About how many tokens a message takes, its tool calls included."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return estimated_tokens(message.content) + sum(_text_tokens(json.dumps(call, default=str)) for call in calls)


def _block_tokens(block: Any) -> int:
    if not isinstance(block, dict):
        return _text_tokens(str(block))
    return MEDIA_TOKENS if _MEDIA_KEYS & block.keys() else _text_tokens(str(block.get("text", block)))


def _text_tokens(text: str) -> int:
    return len(text.encode(errors="replace")) // BYTES_PER_TOKEN


def _tokens(messages: Sequence[BaseMessage]) -> int:
    return sum(map(message_tokens, messages))


def _with_smaller_results(turn: list[BaseMessage], room: int, window: int) -> list[BaseMessage]:
    """Rule 2: `turn` in `room` tokens, as far as smaller tool results can bring that about."""
    if _tokens(turn) <= room:
        return turn
    turn = list(turn)
    results = [i for i, message in enumerate(turn) if isinstance(message, ToolMessage)]
    last_step = max((i for i, message in enumerate(turn) if isinstance(message, AIMessage)), default=-1)
    for i in results:
        turn[i] = _shortened(turn[i], int(window * RESULT_SHARE))
    sizes = [message_tokens(message) for message in turn]
    left_out = estimated_tokens(LEFT_OUT)
    for i in sorted((i for i in results if i < last_step), key=lambda i: sizes[i], reverse=True):
        if sum(sizes) <= room or sizes[i] <= left_out:
            break
        turn[i], sizes[i] = turn[i].model_copy(update={"content": LEFT_OUT}), left_out
    newest = [i for i in results if i > last_step]
    if newest and sum(sizes) > room:
        beside = sum(sizes) - sum(sizes[i] for i in newest)
        for i in newest:
            turn[i] = _shortened(turn[i], max((room - beside) // len(newest), LEAST_RESULT))
    return turn


def _shortened(message: BaseMessage, tokens: int) -> BaseMessage:
    """The message, its text cut to about `tokens` tokens."""
    if message_tokens(message) <= tokens or not isinstance(message.content, str):
        return message
    kept = (tokens - MESSAGE_TOKENS - _text_tokens(CUT_OFF) - 1) * BYTES_PER_TOKEN
    text = message.content.encode(errors="replace")[: max(kept, 0)].decode(errors="ignore")
    return message.model_copy(update={"content": text + CUT_OFF})
