"""Which models can run here, and what is said about the others."""

import pytest
from pytest_django import Settings

from agents.catalogue import LOCAL_LABEL, MODELS, available_models, resolve
from agents.errors import ModelUnavailable

pytestmark = pytest.mark.once

LABELS_OF_OPENGPTS = {
    "GPT 3.5 Turbo",
    "GPT 4 Turbo",
    "GPT 4o",
    "GPT 4 (Azure OpenAI)",
    "Claude 2",
    "Claude 2 (Amazon Bedrock)",
    "GEMINI",
    "Mixtral",
    "Ollama",
}
OPENAI = {"GPT 3.5 Turbo": "gpt-3.5-turbo", "GPT 4 Turbo": "gpt-4-turbo", "GPT 4o": "gpt-4o"}


def test_the_labels_of_opengpts_and_the_local_model_are_listed() -> None:
    assert set(MODELS) == LABELS_OF_OPENGPTS | {LOCAL_LABEL}


def test_nothing_is_available_without_a_key(settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "", "off"
    assert not [model.label for model in available_models() if model.available]
    assert all(model.reason for model in available_models())


def test_a_key_makes_the_models_of_openai_available(settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "a-key", "off"
    available = [model for model in available_models() if model.available]
    assert {model.label for model in available} == set(OPENAI)
    assert all(model.reason is None and model.can_use_tools for model in available)
    assert {label: resolve(label).name for label in OPENAI} == OPENAI


def test_the_local_model_cannot_use_tools() -> None:
    assert [model.label for model in available_models() if not model.can_use_tools] == [LOCAL_LABEL]


def test_a_missing_key_is_named(settings: Settings) -> None:
    settings.OPENAI_API_KEY = ""
    with pytest.raises(ModelUnavailable) as raised:
        resolve("GPT 4o")
    assert raised.value.message == "GPT 4o needs OPENAI_API_KEY. Set it, or choose another model."
    assert (raised.value.code, raised.value.status) == ("model_unavailable", 503)


@pytest.mark.parametrize(
    ("label", "needs"),
    [
        ("GPT 4 (Azure OpenAI)", "AZURE_OPENAI_API_KEY"),
        ("Claude 2", "ANTHROPIC_API_KEY"),
        ("Claude 2 (Amazon Bedrock)", "langchain-aws"),
        ("GEMINI", "GOOGLE_API_KEY"),
        ("Mixtral", "FIREWORKS_API_KEY"),
        ("Ollama", "langchain-ollama"),
    ],
)
def test_models_of_other_providers_say_what_they_would_need(settings: Settings, label: str, needs: str) -> None:
    settings.OPENAI_API_KEY = "a-key"
    with pytest.raises(ModelUnavailable) as raised:
        resolve(label)
    assert f"This version does not carry {label}" in raised.value.message
    assert needs in raised.value.message


def test_the_default_is_openai_where_there_is_a_key(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    assert resolve(None).label == "GPT 3.5 Turbo"


def test_no_model_at_all_says_what_to_set(settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "", "off"
    with pytest.raises(ModelUnavailable) as raised:
        resolve(None)
    assert "LOCAL_MODEL" in raised.value.message
    assert "OPENAI_API_KEY" in raised.value.message
