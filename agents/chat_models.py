"""Builds the chat models that `agents.catalogue` describes. Importing this imports LangChain."""

from functools import lru_cache

from django.conf import settings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agents import connections, local_model
from agents.catalogue import resolve

# Labels are few; settings do not change while a server runs.
_MODELS_KEPT = 32

_OPENAI = "https://api.openai.com/v1"


def build_model(label: str | None) -> BaseChatModel:
    """The chat model for `label` (None: the default), the same object each time.

    Raises as `agents.catalogue.resolve` does.
    """
    entry = resolve(label)
    if entry.provider == "local":
        return _local()
    return _openai(entry.name, settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL)


def clear_cache() -> None:
    """Forgets every model that was built. Connections stay: they do not depend on settings."""
    _openai.cache_clear()
    _local.cache_clear()


async def aclose() -> None:
    """Closes the connections to models and forgets the models.

    Connections belong to the event loop that opened them: call this in each loop, before it ends.
    """
    clear_cache()
    await connections.aclose()


@lru_cache(maxsize=_MODELS_KEPT)
def _openai(name: str, api_key: str, base_url: str) -> BaseChatModel:
    clients = connections.connections_to(base_url or _OPENAI)
    # Temperature 0 as in OpenGPTs.
    return ChatOpenAI(
        model=name,
        api_key=SecretStr(api_key),
        base_url=base_url or None,
        temperature=0,
        streaming=True,
        stream_usage=True,
        http_client=clients.blocking,
        http_async_client=clients.asynchronous,
    )


@lru_cache(maxsize=1)
def _local() -> BaseChatModel:
    return local_model.build_local_chat_model()
