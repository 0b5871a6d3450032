"""Counts the tokens of every model call of a run, the hidden ones too. Importing this imports LangChain."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agents.context_window import estimated_tokens
from agents.language_models.model_entry import ModelEntry
from agents.language_models.usage import Spending, Usage


@dataclass(slots=True)
class _Call:
    """A call that has not ended: what was sent, and what has come back so far."""

    prompt: list[BaseMessage]
    pieces: list[str] = field(default_factory=list)

    def estimate(self) -> Usage:
        sent = sum(estimated_tokens(_written(message)) for message in self.prompt)
        return Usage(sent, estimated_tokens("".join(self.pieces)) if self.pieces else 0, estimated=True)


class UsageMeter(BaseCallbackHandler):
    """A callback for one attempt at a run: what its model calls used.

    Counts are the provider's; where it gives none they are estimated. So are calls that broke off in the middle of
    their answer. One that is still open when the attempt ends, because it was cancelled, counts with its prompt too.
    One that was refused, or failed before its answer began, counts nothing.
    """

    # In the order of events, in the run's own task. Each takes some microseconds.
    run_inline = True

    def __init__(self) -> None:
        # The run's model, once it is known. What is called beside it (a fallback, say) counts at its prices.
        self.entry: ModelEntry | None = None
        self._ended = Usage()
        self._open: dict[UUID, _Call] = {}
        self._calls = 0

    def spending(self) -> Spending | None:
        """What was used until now, at the prices of `entry`; None where no model was called."""
        usage = sum((call.estimate() for call in self._open.values()), self._ended)
        return Spending(self.entry.label, usage, usage.cost(self.entry)) if self.entry and self._calls else None

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self._calls += 1
        self._open[run_id] = _Call([message for batch in messages for message in batch])

    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **kwargs: Any) -> None:
        # For every token, so the usual case is the short one: what is no text is a part of a tool call, or reasoning.
        piece = token if isinstance(token, str) and token else _written(chunk.message) if chunk else ""
        if piece and (call := self._open.get(run_id)):
            call.pieces.append(piece)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        call = self._open.pop(run_id, None)
        for generation in (batch[0] for batch in response.generations if batch):
            if isinstance(generation, ChatGeneration):
                self._ended += _given(generation.message) or _estimated(call, generation.message)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        call = self._open.pop(run_id, None)
        if call is not None and (call.pieces or isinstance(error, asyncio.CancelledError)):
            self._ended += call.estimate()


def _given(answer: BaseMessage) -> Usage | None:
    usage = answer.usage_metadata if isinstance(answer, AIMessage) else None
    return Usage(usage["input_tokens"], usage["output_tokens"]) if usage else None


def _estimated(call: _Call | None, answer: BaseMessage) -> Usage:
    prompt = call.estimate().input_tokens if call else 0
    return Usage(prompt, estimated_tokens(_written(answer)), estimated=True)


def _written(message: BaseMessage) -> str:
    """What of a message is tokens: its text, and the arguments of its tool calls."""
    calls = getattr(message, "tool_call_chunks", None) or getattr(message, "tool_calls", None) or []
    return _text_of(message.content) + "".join(f"{call['name'] or ''}{call['args'] or ''}" for call in calls)


def _text_of(content: str | list[Any]) -> str:
    """The text and the reasoning of a content. Of an image nothing: its bytes say nothing of its tokens."""
    if isinstance(content, str):
        return content
    fields = ("text", "reasoning", "thinking")
    blocks = [block if isinstance(block, dict) else {"text": block} for block in content]
    return "".join(str(block[name]) for block in blocks for name in fields if block.get(name))
