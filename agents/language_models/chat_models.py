"""Builds the chat models that `agents.language_models.catalogue` describes. Importing this imports LangChain."""

import json
import logging
from functools import lru_cache
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_openai import AzureChatOpenAI
from pydantic import SecretStr, ValidationError

from agents.errors import ModelUnavailable
from agents.language_models import connections, local_model, providers
from agents.language_models.model_entry import LOCAL, ModelEntry
from agents.language_models.reasoning import ReasoningChatOpenAI
from opengpts.errors import OpenGPTsError

logger = logging.getLogger(__name__)

# Labels are few; settings do not change while a server runs.
_MODELS_KEPT = 32

# Providers of ChatOpenAI and its kin want some key, even for a server that asks for none.
_NO_KEY = "none"


def build_model(entry: ModelEntry) -> BaseChatModel:
    """The chat model that `entry` describes, the same object each time.

    Raises `ModelUnavailable`, without the provider's own words, where its package does not load or does not take what
    the entry says.
    """
    arguments = (providers.name_of(entry), providers.key_of(entry), providers.base_url_of(entry), entry.options)
    try:
        return _build(entry.provider, *arguments)
    except OpenGPTsError:
        raise
    except ImportError as exc:
        logger.error("%s: the package of %s does not load", entry.label, entry.provider, exc_info=exc)
        package = providers.PROVIDERS[entry.provider].package
        raise ModelUnavailable(
            f"{entry.label} cannot be used: the package {package} does not load. The server's log says why. "
            f"Install it again ({providers.INSTALL.format(package=package)}), or choose another model."
        ) from None
    except Exception as exc:  # whatever the provider's package makes of the parameters
        # Not the error itself: pydantic's shows the values, and the key may be one of them.
        logger.error("%s cannot be built: %s", entry.label, _without_values(exc))
        raise ModelUnavailable(
            f"{entry.label} cannot be used: its package does not take what is set for it. The server's log says more. "
            "Correct the model in the admin, or choose another."
        ) from None


def clear_cache() -> None:
    """Forgets every model that was built. Connections stay: they do not depend on settings."""
    _build.cache_clear()


async def aclose() -> None:
    """Closes the connections to models and forgets the models.

    Connections belong to the event loop that opened them: call this in each loop, before it ends.
    """
    clear_cache()
    await connections.aclose()


@lru_cache(maxsize=_MODELS_KEPT)
def _build(provider: str, name: str, key: str, base_url: str, options: str) -> BaseChatModel:
    parameters: dict[str, Any] = json.loads(options)
    if provider == LOCAL:
        return local_model.build_local_chat_model(**parameters)
    if provider == "openai":
        return _openai(name, key, base_url, parameters)
    if provider == "azure_openai":
        return _azure(name, key, base_url, parameters)
    arguments: dict[str, Any] = parameters
    if key and providers.PROVIDERS[provider].takes_key:
        arguments["api_key"] = SecretStr(key)
    if base_url:
        arguments["base_url"] = base_url
    return init_chat_model(name, model_provider=provider, **arguments)


def _openai(name: str, key: str, base_url: str, parameters: dict[str, Any]) -> BaseChatModel:
    if base_url:
        # The API that other servers speak too; ChatOpenAI would choose by the model's name.
        parameters = {"use_responses_api": False, **parameters}
    return ReasoningChatOpenAI(
        model=name,
        api_key=SecretStr(key or _NO_KEY),
        base_url=base_url or None,
        **_streaming_over(base_url or connections.OPENAI_URL),
        **parameters,
    )


def _azure(name: str, key: str, base_url: str, parameters: dict[str, Any]) -> BaseChatModel:
    return AzureChatOpenAI(
        azure_deployment=name,
        api_key=SecretStr(key or _NO_KEY),
        azure_endpoint=base_url,
        **_streaming_over(base_url),
        **{"api_version": providers.api_version(), **parameters},
    )


def _streaming_over(base_url: str) -> dict[str, Any]:
    """What makes one of openai's models stream over the shared connections, with its usage at the end."""
    clients = connections.connections_to(base_url)
    return {
        "streaming": True,
        "stream_usage": True,
        "http_client": clients.blocking,
        "http_async_client": clients.asynchronous,
    }


def _without_values(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, error['loc']))}: {error['type']}"
            for error in exc.errors(include_input=False, include_url=False, include_context=False)
        )
    return type(exc).__name__
