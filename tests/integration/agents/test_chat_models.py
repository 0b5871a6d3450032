"""Models are built as their entries say, and what their packages cannot do is told without a stack trace."""

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain.chat_models.base import _get_chat_model_creator
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pytest_django import Settings

from agents.errors import ModelUnavailable
from agents.language_models import chat_models
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.model_entry import ModelEntry, options_of
from agents.language_models.model_errors import explain
from tests.services import FakeOpenAI, free_port

pytestmark = pytest.mark.once

# A provider's package as small as can be: what LangChain looks for, and what such a package's errors look like.
PACKAGE = """
import langchain_core.language_models.chat_models as base
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, SecretStr

class RateLimited(Exception):
    status_code = 429

class APIConnectionError(Exception):
    pass

class APITimeoutError(APIConnectionError):
    pass

class NoCredentialsError(Exception):
    pass

class ClientError(Exception):
    def __init__(self, status):
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}

ERRORS = {
    "429": RateLimited, "connection": APIConnectionError, "timeout": APITimeoutError,
    "credentials": NoCredentialsError, "403": lambda: ClientError(403), "value": ValueError,
}

class ChatGroq(base.BaseChatModel):
    model: str
    api_key: SecretStr | None = None
    base_url: str | None = None
    temperature: float | None = Field(default=None, le=2)

    @property
    def _llm_type(self):
        return "groq"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        asked = messages[-1].text
        if asked in ERRORS:
            raise ERRORS[asked]()
        said = f"{self.model} {self.base_url} {self.api_key.get_secret_value() if self.api_key else ''}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])
"""
GROQ = ModelEntry("Fast", "groq", "some-model", key_env="FAST_KEY")


@pytest.fixture(autouse=True)
def _fresh(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", ""
    monkeypatch.setenv("FAST_KEY", "sk-of-groq")
    chat_models.clear_cache()
    yield
    chat_models.clear_cache()


@pytest.fixture
def groq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package `langchain_groq` that can be imported."""
    yield from package(tmp_path, monkeypatch, PACKAGE)


def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    (tmp_path / "langchain_groq.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    _get_chat_model_creator.cache_clear()
    yield
    sys.modules.pop("langchain_groq", None)
    _get_chat_model_creator.cache_clear()


@pytest.mark.parametrize("label", ["GPT 3.5 Turbo", "GPT 4 Turbo", "GPT 4o"])
def test_the_models_of_openai(label: str) -> None:
    model = build_model(MODELS[label])
    assert isinstance(model, ChatOpenAI)
    assert (model.model_name, model.temperature, model.reasoning_effort) == (MODELS[label].name, 0, "none")
    assert model.openai_api_base is None
    assert model.streaming


def test_a_model_is_kept_until_its_row_changes(settings: Settings) -> None:
    entry = MODELS["GPT 4o"]
    assert build_model(entry) is build_model(replace(entry, context_window=5, input_price=None))
    assert build_model(entry) is not build_model(replace(entry, options=options_of({"temperature": 1})))
    before = build_model(entry)
    settings.OPENAI_API_KEY = "another"
    assert build_model(entry) is not before


def test_azure_takes_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = MODELS["GPT 4 (Azure OpenAI)"]
    for name, value in {
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_DEPLOYMENT_NAME": "mine",
        "AZURE_OPENAI_API_BASE": "https://mine.openai.azure.example",
        "AZURE_OPENAI_API_VERSION": "2026-01-01",
    }.items():
        monkeypatch.setenv(name, value)
    model = build_model(entry)
    assert isinstance(model, AzureChatOpenAI)
    assert (model.deployment_name, model.openai_api_version) == ("mine", "2026-01-01")
    assert model.azure_endpoint == "https://mine.openai.azure.example"


async def test_any_server_that_speaks_openais_api(openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_KEY", "k-of-vllm")
    vllm = ModelEntry("vLLM", "openai", "gpt-6-mine", base_url=openai_server.base_url, key_env="VLLM_KEY")
    assert (await build_model(vllm).ainvoke("hi")).text == "Echo: hi"
    assert (await build_model(replace(vllm, key_env="")).ainvoke("hi")).text == "Echo: hi"
    with_key, without = openai_server.requests()
    assert with_key["authorization"] == "Bearer k-of-vllm"
    assert without["authorization"] == "Bearer none"  # never the key of another
    assert with_key["body"]["model"] == "gpt-6-mine"
    assert "temperature" not in with_key["body"]
    await chat_models.aclose()


def test_another_providers_package_is_given_name_key_and_url(groq: None) -> None:
    entry = replace(GROQ, base_url="http://groq.example/v1", options=options_of({"temperature": 0.5}))
    assert build_model(entry).invoke("hi").text == "some-model http://groq.example/v1 sk-of-groq"


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(ModelUnavailable, match="Fast cannot be used: the package langchain-groq does not load"):
        build_model(GROQ)


def test_a_package_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in package(tmp_path, monkeypatch, "import a_module_that_nobody_has"):
        with pytest.raises(ModelUnavailable, match="the package langchain-groq does not load"):
            build_model(GROQ)


def test_parameters_that_a_package_does_not_take(groq: None, caplog: pytest.LogCaptureFixture) -> None:
    entry = replace(GROQ, options=options_of({"temperature": 9}))
    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnavailable) as raised:
        build_model(entry)
    assert "Fast cannot be used: its package does not take what is set for it." in raised.value.message
    assert "temperature: less_than_equal" in caplog.text
    assert "sk-of-groq" not in caplog.text + raised.value.message


def test_parameters_that_openai_does_not_take(caplog: pytest.LogCaptureFixture) -> None:
    entry = replace(MODELS["GPT 4o"], options=options_of({"temperature": "hot"}))
    with pytest.raises(ModelUnavailable, match="its package does not take what is set for it"):
        build_model(entry)
    assert "a-key" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("429", "model_failed", "The model's provider answered 429: too many requests."),
        ("403", "model_unavailable", "The model's provider answered 403: FAST_KEY may not use this model."),
        ("timeout", "model_failed", "The model did not answer in time."),
        ("connection", "model_failed", "The connection to the model broke"),
        ("credentials", "model_unavailable", "there are no credentials for it. Check FAST_KEY."),
    ],
)
async def test_another_providers_errors_are_told(groq: None, asked: str, code: str, said: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await build_model(GROQ).ainvoke(asked)
    error = explain(raised.value, GROQ)
    assert error is not None
    assert error.code == code
    assert said in error.message
    assert "OPENAI" not in error.message


async def test_errors_that_say_nothing_are_not_explained(groq: None) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        await build_model(GROQ).ainvoke("value")
    assert explain(raised.value, GROQ) is None
    assert explain(TimeoutError(), GROQ) is None  # not from the package: nobody knows whose it is


async def test_what_to_check_is_the_models_own(monkeypatch: pytest.MonkeyPatch, openai_server: FakeOpenAI) -> None:
    monkeypatch.setenv("VLLM_KEY", "k")
    vllm = ModelEntry("vLLM", "openai", "mine", base_url=openai_server.base_url, key_env="VLLM_KEY")
    said = {}
    for asked, entry in {
        "FAIL:401": vllm,
        "FAIL:404": vllm,
        "hi": replace(vllm, base_url=f"http://127.0.0.1:{free_port()}/v1"),
    }.items():
        with pytest.raises(Exception) as raised:  # noqa: PT011
            await build_model(entry).ainvoke(asked)
        error = explain(raised.value, entry)
        assert error is not None
        said[asked] = error.message
    await chat_models.aclose()
    assert said["FAIL:401"] == "The model's provider answered 401: check VLLM_KEY."
    assert said["FAIL:404"].endswith("Choose another, or check the base URL of vLLM.")
    assert "Check the network and the base URL of vLLM" in said["hi"]
    assert json.dumps(said).count("OPENAI") == 0


async def test_no_two_answers_have_one_id(openai: FakeOpenAI) -> None:
    """Whatever their server calls them: some draw one of a thousand numbers."""
    model = build_model(MODELS["GPT 4o"])
    first, second = await model.ainvoke("one"), await model.ainvoke("two")
    chunks = [chunk async for chunk in model.astream("three")]
    ids = {first.id, second.id, *(chunk.id for chunk in chunks)}
    assert len(ids) == 3
    assert all(one and one.startswith("lc_run--") for one in ids)
