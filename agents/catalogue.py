"""The language models that an assistant may name: their labels, what each needs, and whether it can run here.

Nothing here imports LangChain: `agents.chat_models` builds what this describes.
"""

from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from agents import local_model
from agents.errors import ModelUnavailable

Provider = Literal["openai", "local", "none"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue.

    `name` is what the provider calls it. `context_window` is in tokens, the answer included; None
    where it is not known. `needs` says what a model of a provider that is not carried would need.
    """

    label: str
    provider: Provider
    name: str = ""
    context_window: int | None = None
    can_use_tools: bool = True
    needs: str = ""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as lists show it. `reason` says why it is not available; None when it is."""

    label: str
    available: bool
    reason: str | None
    can_use_tools: bool


DEFAULT_LABEL = "GPT 3.5 Turbo"
LOCAL_LABEL = "SmolLM2 135M (local)"

_ENTRIES = [
    ModelEntry(DEFAULT_LABEL, "openai", "gpt-3.5-turbo", 16_385),
    ModelEntry("GPT 4 Turbo", "openai", "gpt-4-turbo", 128_000),
    ModelEntry("GPT 4o", "openai", "gpt-4o", 128_000),
    ModelEntry("GPT 4 (Azure OpenAI)", "none", needs="AZURE_OPENAI_API_KEY and an Azure deployment"),
    ModelEntry("Claude 2", "none", needs="the package langchain-anthropic and ANTHROPIC_API_KEY"),
    ModelEntry("Claude 2 (Amazon Bedrock)", "none", needs="the package langchain-aws and AWS credentials"),
    ModelEntry("GEMINI", "none", needs="the package langchain-google-genai and GOOGLE_API_KEY"),
    ModelEntry("Mixtral", "none", needs="the package langchain-fireworks and FIREWORKS_API_KEY"),
    ModelEntry("Ollama", "none", needs="the package langchain-ollama and OLLAMA_BASE_URL"),
    ModelEntry(LOCAL_LABEL, "local", "smollm2-135m-instruct", 8192, can_use_tools=False),
]
MODELS: dict[str, ModelEntry] = {entry.label: entry for entry in _ENTRIES}


def available_models() -> list[ModelStatus]:
    """Every model of the catalogue, in its order, with the reason where one cannot run here."""
    return [
        ModelStatus(entry.label, reason is None, reason, entry.can_use_tools)
        for entry in _ENTRIES
        for reason in [why_not(entry)]
    ]


def why_not(entry: ModelEntry) -> str | None:
    """Why `entry` cannot run here, in a sentence; None when it can."""
    if entry.provider == "local":
        return local_model.availability()
    if entry.provider == "openai":
        return None if settings.OPENAI_API_KEY else f"{entry.label} needs OPENAI_API_KEY."
    return f"This version does not carry {entry.label}, which would need {entry.needs}."


def resolve(label: str | None) -> ModelEntry:
    """The model to run for `label`. None means OpenAI's default model where there is a key, else the local one.

    Raises `ModelUnavailable`, with the reason and what to do, when it cannot run here; `KeyError` for a
    label that is not in the catalogue.
    """
    if label is None:
        return _default()
    entry = MODELS[label]
    reason = why_not(entry)
    if reason is None:
        return entry
    advice = "Choose another model." if entry.provider != "openai" else "Set it, or choose another model."
    raise ModelUnavailable(f"{reason.rstrip('.')}. {advice}")


def _default() -> ModelEntry:
    entry = MODELS[DEFAULT_LABEL if settings.OPENAI_API_KEY else LOCAL_LABEL]
    reason = why_not(entry)
    if reason is None:
        return entry
    raise ModelUnavailable(
        f"No model is set up. The local model cannot run: {reason.rstrip('.')}. "
        "Set OPENAI_API_KEY, or make the local model run."
    )
