"""The local model as a LangChain chat model. Importing this imports LangChain."""

from typing import Any

import httpx2
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agents.language_models.delta_merging import DeltaMergingTransport
from agents.language_models.local_model.supervisor import Supervisor
from agents.language_models.local_model.transport import LocalModelTransport

MAX_ANSWER_TOKENS = 512
# Seconds between two pieces of an answer. Requests queue for the one slot, so the first piece may take long.
READ_TIMEOUT = 600.0


def build(supervisor: Supervisor, **overrides: Any) -> ChatOpenAI:
    """A chat model that answers from the process of `supervisor`. Nothing is started until it is used.

    `overrides` are ChatOpenAI's own arguments.
    """
    transport = LocalModelTransport(supervisor)
    timeout = httpx2.Timeout(READ_TIMEOUT, connect=5.0, pool=None)
    arguments: dict[str, Any] = {
        "model": "smollm2-135m-instruct",
        "base_url": "http://local-model/v1",
        "api_key": SecretStr("none"),
        "http_client": httpx2.Client(transport=transport, timeout=timeout, trust_env=False),
        "http_async_client": httpx2.AsyncClient(
            transport=DeltaMergingTransport(transport), timeout=timeout, trust_env=False
        ),
        "timeout": timeout,
        "stream_chunk_timeout": READ_TIMEOUT,
        # The transport tries again where it makes sense: it knows whether the answer had begun.
        "max_retries": 0,
        "streaming": True,
        "stream_usage": True,
        "use_responses_api": False,
        # OPENAI_PROXY and the like are for OpenAI.
        "openai_proxy": "",
        # The likeliest words are its best: warmer, so small a model soon talks of something else.
        "temperature": 0,
        # Cold, it may repeat a phrase for ever. A penalty on every word it said (repeat_penalty) costs it the facts
        # of the question; this one is on phrases, from seven tokens on.
        "extra_body": {"dry_multiplier": 0.8, "dry_allowed_length": 6, "dry_penalty_last_n": 512},
        "max_tokens": MAX_ANSWER_TOKENS,
    }
    return ChatOpenAI(**(arguments | overrides))
