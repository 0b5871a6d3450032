"""Which model makes the vectors, and what keeps it from that. Imports no numpy, no LangChain and no provider."""

import os
from importlib.util import find_spec

from django.conf import settings

from agents.language_models.providers import PROVIDERS, module_of

NO_EMBEDDINGS = "none"
BUNDLED = "wordllama"
BUNDLED_MODEL = f"{BUNDLED}:l2_supercat_256"

# The providers that LangChain's `init_embeddings` knows, and the variables that each takes its key from. Any one will
# do; none are named where there are other ways to have credentials.
_KEYS: dict[str, tuple[str, ...]] = {
    "azure_ai": (),
    "azure_openai": (),
    "bedrock": (),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "google_genai": (),
    "google_vertexai": (),
    "huggingface": (),
    "mistralai": ("MISTRAL_API_KEY",),
    "ollama": (),
    "openai": ("OPENAI_API_KEY",),
}
# By the model's name, why its last call in this process failed.
_failures: dict[str, str] = {}


def embedding_model() -> str:
    """The name that is stored with the vectors of the model that `EMBEDDINGS` names; "" where it names none."""
    if settings.EMBEDDINGS == NO_EMBEDDINGS:
        return ""
    return BUNDLED_MODEL if settings.EMBEDDINGS == BUNDLED else str(settings.EMBEDDINGS)


def setting_problem() -> str | None:
    """Why the model that `EMBEDDINGS` names cannot be used here, in a sentence; None as far as can be told cheaply."""
    name = embedding_model()
    if not name:
        return None
    if name == BUNDLED_MODEL:
        return (
            None
            if find_spec("wordllama")
            else (
                "The package wordllama is not installed, whose vectors documents are searched by. "
                "Install requirements-embeddings.txt, or set EMBEDDINGS: to another model, or to none."
            )
        )
    provider, _, model = name.partition(":")
    if not model.strip():
        return f"EMBEDDINGS={name} names no model: it is {BUNDLED}, provider:model, or {NO_EMBEDDINGS}."
    if provider not in _KEYS:
        return f"EMBEDDINGS={name} names a provider that is not known. Known are: {', '.join(_KEYS)}."
    if find_spec(module_of(provider)) is None:
        return f"EMBEDDINGS={name} needs a package that is not installed: {PROVIDERS[provider].package}."
    keys = _KEYS[provider]
    return f"EMBEDDINGS={name} needs {keys[0]}." if keys and not any(map(_is_set, keys)) else None


def embedding_problem() -> str | None:
    """As `setting_problem`; else why the model's last call in this process failed, and None where it did not."""
    return setting_problem() or _failures.get(embedding_model())


def note_failure(message: str) -> bool:
    """Keep why a call of the model failed. False where the call before failed with the same words."""
    name = embedding_model()
    is_new = _failures.get(name) != message
    _failures[name] = message
    return is_new


def note_success() -> None:
    """The model answers: forget what was wrong before."""
    _failures.pop(embedding_model(), None)


def _is_set(key: str) -> bool:
    return bool(settings.OPENAI_API_KEY if key == "OPENAI_API_KEY" else os.environ.get(key))
