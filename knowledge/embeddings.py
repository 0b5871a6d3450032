"""Texts to vectors, with the model that `EMBEDDINGS` names."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from django.conf import settings

from agents.language_models.model_errors import explain
from knowledge.embedding_model import BUNDLED_MODEL, embedding_model, note_failure, note_success, setting_problem
from knowledge.static_vectors import StaticVectors, Vector, find_package, normalised
from opengpts.errors import OpenGPTsError

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

logger = logging.getLogger(__name__)

_BROKEN_PACKAGE = "The package wordllama is not as expected: its vectors cannot be read. The server's log says more."
# Texts in one request to a provider, and how long it may take (seconds).
BATCH = 128
TIMEOUT = 60.0
_DIFFERENT = "The embedding model {} sent vectors of different lengths."


class EmbeddingUnavailable(OpenGPTsError):
    """The model of `EMBEDDINGS` cannot be used until someone changes something: no key, no package, no such model."""

    code = "embedding_unavailable"


class EmbeddingFailed(OpenGPTsError):
    """The model of `EMBEDDINGS` did not answer as it should."""

    code = "embedding_failed"


class Embedder(Protocol):
    """Makes vectors of float32, of length 1 and all of one dimension."""

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """The vectors of texts to search: (len(texts), dimension). Raises `EmbeddingFailed` or `…Unavailable`."""
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector of what is searched for: (dimension,). Raises as `embed_passages`."""
        ...


def open_embedder() -> Embedder:
    """The model that `EMBEDDINGS` names, the same object each time. Raises `EmbeddingUnavailable`.

    The first time takes long (files are read, or LangChain is imported): call it in a thread.
    """
    if problem := setting_problem():
        raise EmbeddingUnavailable(problem)
    if embedding_model() == BUNDLED_MODEL:
        return _bundled()
    return _provided(settings.EMBEDDINGS, settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL)


class _Bundled:
    """The bundled vectors. A batch takes a few milliseconds of CPU, so it is done in a thread."""

    def __init__(self, vectors: StaticVectors) -> None:
        self._vectors = vectors

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        return await asyncio.to_thread(self._vectors.embed, texts)

    async def embed_query(self, text: str) -> Vector:
        return (await self.embed_passages([text]))[0]


class _Provided:
    """A model of a provider, through LangChain."""

    def __init__(self, model: "Embeddings") -> None:
        self._model = model

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        return await _asked(self._model.aembed_documents(list(texts)), len(texts))

    async def embed_query(self, text: str) -> Vector:
        return (await _asked(self._one(text), 1))[0]

    async def _one(self, text: str) -> list[list[float]]:
        return [await self._model.aembed_query(text)]


@lru_cache(maxsize=1)
def _bundled() -> Embedder:
    package = find_package()
    assert package is not None
    try:
        return _Bundled(StaticVectors(package))
    except (OSError, ValueError, KeyError) as exc:
        raise _noted(EmbeddingUnavailable(_BROKEN_PACKAGE), exc) from exc


@lru_cache(maxsize=4)
def _provided(name: str, api_key: str, base_url: str) -> Embedder:
    # Late: LangChain takes over a second to import, and not every process searches.
    from langchain.embeddings import init_embeddings

    from agents.language_models.connections import OPENAI_URL, connections_to

    options: dict[str, Any] = {}
    if name.startswith("openai:"):
        clients = connections_to(base_url or OPENAI_URL)
        options = {
            "api_key": api_key,
            "base_url": base_url or None,
            "http_client": clients.blocking,
            "http_async_client": clients.asynchronous,
            "max_retries": 3,
            "timeout": TIMEOUT,
            "chunk_size": BATCH,
            # Or it would fetch a tokenizer from the network, and send numbers where other servers take texts only.
            "check_embedding_ctx_length": False,
        }
    try:
        return _Provided(init_embeddings(name, **options))
    except Exception as exc:  # each provider has its own way to say what it misses
        message = f"EMBEDDINGS={name} cannot be set up: something is missing. The server's log says more."
        raise _noted(EmbeddingUnavailable(message), exc) from exc


async def _asked(answer: Awaitable[Any], count: int) -> Vector:
    """The vectors of an answer that should have `count` of them. What goes wrong is kept for `/health`."""
    try:
        vectors = _checked(await answer, count)
    except EmbeddingFailed as exc:
        note_failure(exc.message)
        raise
    except Exception as exc:
        raise _explained(exc) from exc
    note_success()
    return vectors


def same_dimension(vectors: Vector, before: int) -> int:
    """The dimension of these vectors of a document; that of those before them is `before`, or 0.

    Raises `EmbeddingFailed` where they differ: a set of vectors of different lengths could never be searched.
    """
    dimension = vectors.shape[1]
    if before not in (0, dimension):
        raise EmbeddingFailed(_DIFFERENT.format(settings.EMBEDDINGS))
    return dimension


def _explained(exc: Exception) -> OpenGPTsError:
    model, explained = settings.EMBEDDINGS, explain(exc)
    if explained is None:
        return _noted(EmbeddingFailed(f"The embedding model {model} failed. The server's log says why."), exc)
    if explained.code == "model_unavailable":
        error: OpenGPTsError = EmbeddingUnavailable(f"EMBEDDINGS={model} cannot be used. {explained.message}")
    else:
        error = EmbeddingFailed(f"The embedding model {model} failed. {explained.message}")
    note_failure(error.message)
    return error


def _noted(error: OpenGPTsError, exc: Exception) -> OpenGPTsError:
    """`error`, kept for `/health`. The log has why: once, and not again for each search until the model answers."""
    if note_failure(error.message):
        logger.error("%s", error.message, exc_info=exc)
    return error


def _checked(vectors: Any, count: int) -> Vector:
    if len(vectors) != count:
        raise EmbeddingFailed(f"The embedding model {settings.EMBEDDINGS} left out some of the texts.")
    try:
        array = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as exc:
        raise EmbeddingFailed(_DIFFERENT.format(settings.EMBEDDINGS)) from exc
    if array.ndim != 2 or not array.shape[1] or not np.isfinite(array).all():
        raise EmbeddingFailed(f"The embedding model {settings.EMBEDDINGS} sent what is no vector.")
    return normalised(array)
