"""What OpenAI-compatible servers tell of a model's reasoning, which langchain-openai leaves out; and ids for answers.

vLLM, DeepSeek, SGLang and others send it in the deltas of chat completions beside the text, as `reasoning_content` or
`reasoning`. OpenAI's own API has no such field: https://docs.vllm.ai/en/latest/features/reasoning_outputs

They also number completions as they like: some draw one of a thousand numbers, some call each the same. In a thread a
message replaces the one with its id, so an answer with an id of theirs could take the place of an old one.
"""

from typing import Any

from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

# Where LangChain's integrations of such providers keep it, in a message's `additional_kwargs`.
KEY = "reasoning_content"
_FIELDS = (KEY, "reasoning")


class ReasoningChatOpenAI(ChatOpenAI):
    """`ChatOpenAI` whose streamed messages keep the reasoning, in `additional_kwargs["reasoning_content"]`.

    They have ids of LangChain's, which no other message has.
    """

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if generation is not None:
            generation.message.id = None
            if text := _reasoning_in(chunk):
                generation.message.additional_kwargs[KEY] = text
        return generation


def _reasoning_in(chunk: dict[str, Any]) -> str:
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        for field in _FIELDS:
            if isinstance(text := delta.get(field), str):
                return text
    return ""
