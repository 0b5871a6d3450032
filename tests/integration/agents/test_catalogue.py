"""Which models there are, which can run here, and what is said about the others."""

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from agents.apps import create_builtin_models
from agents.config import parse_config
from agents.errors import InvalidConfig, ModelUnavailable
from agents.language_models import catalogue
from agents.language_models.builtin_models import DEFAULT_LABEL, LOCAL_LABEL
from agents.language_models.catalogue import MODELS, available_models, make_default, resolve
from agents.language_models.providers import PROVIDERS
from agents.models import LanguageModel

pytestmark = pytest.mark.django_db

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
OF_OPENAI = {"GPT 3.5 Turbo", "GPT 4 Turbo", "GPT 4o"}
# What each label needs: its package, then environment variables.
NEEDS = {
    "GPT 4 (Azure OpenAI)": [
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_DEPLOYMENT_NAME",
        "AZURE_OPENAI_ENDPOINT",
        "OPENAI_API_VERSION",
    ],
    "Claude 2": ["langchain-anthropic", "ANTHROPIC_API_KEY"],
    "Claude 2 (Amazon Bedrock)": ["langchain-aws", "AWS_REGION"],
    "GEMINI": ["langchain-google-genai", "GOOGLE_API_KEY"],
    "Mixtral": ["langchain-mistralai", "MISTRAL_API_KEY"],
    "Ollama": ["langchain-ollama", "OLLAMA_MODEL", "OLLAMA_BASE_URL"],
}
SETTINGS = {name for names in NEEDS.values() for name in names if name.isupper()} | {
    "AZURE_OPENAI_API_BASE",
    "AZURE_OPENAI_API_VERSION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """No keys, whatever this machine has."""
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "", "off"
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Every provider's package, to be found and not to be imported."""
    for provider in PROVIDERS.values():
        package = tmp_path / provider.package.replace("-", "_")
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("raise ImportError('not to be imported')")
    monkeypatch.syspath_prepend(str(tmp_path))


def status(label: str) -> catalogue.ModelStatus:
    return next(model for model in available_models() if model.label == label)


def test_the_labels_of_opengpts_and_the_local_model_are_there() -> None:
    assert {model.label for model in available_models()} == LABELS_OF_OPENGPTS | {LOCAL_LABEL} == set(MODELS)
    assert catalogue.labels() == [entry.label for entry in MODELS.values()]


def test_nothing_is_available_without_a_key() -> None:
    assert not [model.label for model in available_models() if model.available or model.is_default]
    assert all(model.reason for model in available_models())


def test_a_key_makes_the_models_of_openai_available(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    available = [model for model in available_models() if model.available]
    assert {model.label for model in available} == OF_OPENAI
    assert all(model.reason is None and model.can_use_tools for model in available)
    assert all(resolve(label).provider == "openai" for label in OF_OPENAI)


def test_every_label_resolves_with_its_package_and_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, installed: None
) -> None:
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "a-key", "auto"
    for name in SETTINGS:
        monkeypatch.setenv(name, "something")
    monkeypatch.setattr("agents.language_models.local_model.obstacle", lambda: None)
    for label in MODELS:
        assert resolve(label) == MODELS[label]
    assert all(model.available for model in available_models())


@pytest.mark.parametrize("label", sorted(NEEDS))
def test_what_is_missing_is_named(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        resolve(label)
    assert raised.value.message.startswith(f"{label} needs ")
    assert raised.value.message.endswith(" Provide what is missing, or choose another model.")
    for name in NEEDS[label]:
        assert name in raised.value.message
    assert (raised.value.code, raised.value.status) == ("model_unavailable", 503)
    for name in NEEDS[label]:
        if name.isupper():
            monkeypatch.setenv(name, "something")
    reason = status(label).reason
    packages = [name for name in NEEDS[label] if name.islower()]
    advice = "in the server's environment: pip install -r requirements.txt"
    said = [f"the package {name} ({advice} {name})" for name in packages]
    assert reason == (f"{label} needs {said[0]}." if said else None)


def test_which_model_a_label_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert status("GPT 4o").model == "openai:gpt-6-luna"
    monkeypatch.delenv("OLLAMA_MODEL", raising=False)
    assert status("Ollama").model == "ollama:"
    monkeypatch.setenv("OLLAMA_MODEL", "qwen3")
    assert status("Ollama").model == "ollama:qwen3"
    LanguageModel.objects.filter(label="GPT 4o").update(model="nobody:x")
    assert status("GPT 4o").model == "nobody:x"


def test_the_names_of_opengpts_for_azure_are_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT_NAME"):
        monkeypatch.setenv(name, "something")
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", "https://mine.example")
    monkeypatch.setenv("AZURE_OPENAI_API_VERSION", "2026-01-01")
    assert status("GPT 4 (Azure OpenAI)").available


def test_a_key_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, installed: None) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    assert status("Claude 2").available
    assert "sk-secret" not in f"{available_models()}{resolve('Claude 2')}"


def test_a_model_that_is_switched_off_says_so(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    LanguageModel.objects.filter(label="GPT 4o").update(enabled=False)
    with pytest.raises(ModelUnavailable) as raised:
        resolve("GPT 4o")
    assert raised.value.message == "GPT 4o is switched off. Choose another model."
    assert status("GPT 4o").reason == "GPT 4o is switched off."
    assert "GPT 4o" not in catalogue.labels()
    assert catalogue.is_label("GPT 4o")


@pytest.mark.parametrize("label", ["GPT 9", "", "gpt 4o", "a\nb"])
def test_a_label_that_there_is_not(label: str) -> None:
    assert not catalogue.is_label(label)
    with pytest.raises(ModelUnavailable, match="There is no model called"):
        resolve(label)


@pytest.mark.parametrize("label", ["\0", "\ud800"])
def test_a_label_that_no_database_takes_is_none(label: str) -> None:
    assert not catalogue.is_label(label)


@pytest.mark.parametrize(
    "configurable", [{"type==agent/agent_type": "GPT 9"}, {"type": "chatbot", "type==chatbot/llm_type": 4}]
)
def test_a_config_is_told_which_labels_there_are(configurable: dict[str, Any]) -> None:
    LanguageModel.objects.create(label="Mine", model="openai:mine")
    LanguageModel.objects.filter(label="GPT 4o").update(enabled=False)
    with pytest.raises(InvalidConfig) as raised:
        parse_config({"configurable": configurable})
    assert "_type should be one of: GPT 3.5 Turbo, GPT 4 Turbo, GPT 4 (Azure OpenAI), " in raised.value.message
    assert raised.value.message.endswith(", Mine.")
    assert parse_config({"configurable": {"type==agent/agent_type": "Mine"}}).model == "Mine"


def test_the_default(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    assert resolve(None).label == DEFAULT_LABEL
    assert [model.label for model in available_models() if model.is_default] == [DEFAULT_LABEL]
    mine = LanguageModel.objects.create(label="Mine", model="openai:mine", base_url="http://127.0.0.1:1/v1")
    make_default(model=mine)
    assert resolve(None).label == "Mine"
    assert [model.label for model in available_models() if model.is_default] == ["Mine"]
    LanguageModel.objects.filter(pk=mine.pk).update(key_env="NO_SUCH_KEY_HERE")
    assert resolve(None).label == DEFAULT_LABEL
    settings.OPENAI_API_KEY = ""
    with pytest.raises(ModelUnavailable) as raised:
        resolve(None)
    assert "LOCAL_MODEL" in raised.value.message
    assert "OPENAI_API_KEY" in raised.value.message


def test_the_local_model_is_the_default_without_a_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LOCAL_MODEL = "auto"
    monkeypatch.setattr("agents.language_models.local_model.obstacle", lambda: None)
    assert resolve(None).label == LOCAL_LABEL


def test_there_is_one_default_at_most() -> None:
    first, second = LanguageModel.objects.all()[:2]
    make_default(model=first)
    make_default(model=second)
    assert list(LanguageModel.objects.filter(is_default=True)) == [second]
    with pytest.raises(IntegrityError), transaction.atomic():
        LanguageModel.objects.filter(pk=first.pk).update(is_default=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_price": Decimal(-1)},
        {"output_price": Decimal("-0.1")},
        {"context_window": 0},
        {"key_env": "sk-proj-abc"},
        {"model": "gpt"},
        {"label": "GPT 4o"},
    ],
)
def test_the_database_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        LanguageModel.objects.create(**{"label": "Mine", "model": "openai:mine", **wrong})


def test_a_change_of_the_row_is_a_change_of_the_entry(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    before = resolve("GPT 4o")
    LanguageModel.objects.filter(label="GPT 4o").update(parameters={"temperature": 1})
    after = resolve("GPT 4o")
    assert hash(before) != hash(after)
    assert after.parameters == {"temperature": 1}


def test_it_takes_one_query(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "a-key"
    for ask in (available_models, catalogue.labels, lambda: resolve(None), lambda: resolve("GPT 4o")):
        with CaptureQueriesContext(connection) as queries:
            ask()
        assert len(queries) == 1


def test_migrating_again_brings_back_what_is_missing_and_leaves_the_rest() -> None:
    LanguageModel.objects.filter(label="GPT 4o").delete()
    LanguageModel.objects.filter(label="GEMINI").update(model="openai:mine", enabled=False)
    call_command("migrate", verbosity=0)
    create_builtin_models(using="default")
    assert LanguageModel.objects.count() == len(MODELS)
    assert LanguageModel.objects.get(label="GPT 4o").entry == MODELS["GPT 4o"]
    gemini = LanguageModel.objects.get(label="GEMINI")
    assert (gemini.model, gemini.enabled) == ("openai:mine", False)


def test_what_is_shipped_would_be_let_through_by_the_form() -> None:
    for row in LanguageModel.objects.all():
        row.full_clean()


def test_the_providers_are_those_of_langchain() -> None:
    program = (
        "import json\n"
        "from langchain.chat_models.base import _BUILTIN_PROVIDERS as known\n"
        "print(json.dumps({name: module.partition('.')[0] for name, (module, *_) in known.items()}))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    known = json.loads(printed.stdout)
    known.pop("langsmith")  # a gateway, whose keys are not those of a provider
    ours = {name: provider.package.replace("-", "_") for name, provider in PROVIDERS.items() if name != "local"}
    assert ours == known
