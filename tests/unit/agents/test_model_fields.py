"""What may stand in the fields of a language model."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from agents.language_models.model_fields import (
    check_base_url,
    check_key_env,
    check_label,
    check_model,
    check_parameters,
)

pytestmark = pytest.mark.once

GOOD: list[tuple[Callable[[Any], None], Any]] = [
    (check_label, "GPT 4 (Azure OpenAI)"),
    (check_label, "Größe 漢字"),
    (check_model, "openai:gpt-6.1-sol"),
    (check_model, "fireworks:accounts/fireworks/models/gpt-oss-120b"),
    (check_model, "ollama:llama3.2:3b"),
    (check_model, "ollama:"),
    (check_model, "azure_openai:"),
    (check_model, "local:smollm2-135m-instruct"),
    (check_base_url, "http://localhost:11434/v1"),
    (check_base_url, "http://ollama:11434"),
    (check_base_url, "https://models.example.org/v1/"),
    (check_base_url, "http://[::1]:8000/v1"),
    (check_key_env, "ANTHROPIC_API_KEY"),
    (check_key_env, "_KEY2"),
    (check_parameters, {}),
    (check_parameters, {"temperature": 0, "max_tokens": 5, "model_kwargs": {"logit_bias": {"50256": -100}}}),
]
BAD: list[tuple[Callable[[Any], None], Any, str]] = [
    (check_label, " GPT", "no spaces around it"),
    (check_label, "a\nb", "printable"),
    (check_model, "gpt-4o", "provider:model"),
    (check_model, "antropic:claude", "provider:model"),
    (check_model, ":gpt-4o", "provider:model"),
    (check_model, "openai:", "name is missing"),
    (check_model, "openai: gpt-4o", "spaces"),
    (check_base_url, "localhost:11434", "address"),
    (check_base_url, "ftp://example.org", "address"),
    (check_base_url, "http://", "address"),
    (check_base_url, "http://host:99999", "address"),
    (check_base_url, "http://a host/v1", "address"),
    (check_base_url, "https://user:secret@example.org/v1", "password"),
    (check_base_url, "https://example.org/v1?key=1", "nothing behind its path"),
    (check_base_url, "https://example.org/v1#x", "nothing behind its path"),
    (check_key_env, "sk-proj-Abc123", "NAME of an environment variable"),
    (check_key_env, "openai_api_key", "NAME of an environment variable"),
    (check_key_env, "1KEY", "NAME of an environment variable"),
    (check_key_env, "MY KEY", "NAME of an environment variable"),
    (check_key_env, "KEY\n", "NAME of an environment variable"),
    (check_key_env, "AKIAIOSFODNN7EXAMPLE", "Never put a key itself here"),
    (check_key_env, "0123456789ABCDEF0123456789ABCDEF", "Never put a key itself here"),
    (check_key_env, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "Never put a key itself here"),
    (check_parameters, None, "JSON object"),
    (check_parameters, [1], "JSON object"),
    (check_parameters, {"temperature": float("nan")}, "NaN"),
    (check_parameters, {"model": "x"}, "Not among the parameters: model."),
    (check_parameters, {"base_url": "x", "model_name": "y"}, "Not among the parameters: base_url, model_name."),
    (check_parameters, {"streaming": False}, "Not among the parameters: streaming."),
    (check_parameters, {"api_key": "sk"}, "may hold a secret"),
    (check_parameters, {"openai_api_key": "sk"}, "may hold a secret"),
    (check_parameters, {"aws_secret_access_key": "sk"}, "may hold a secret"),
    (check_parameters, {"aws_access_key_id": "sk"}, "may hold a secret"),
    (check_parameters, {"default_headers": {"x": 1}}, "may hold a secret"),
    (check_parameters, {"model_kwargs": [{"extra_headers": {"Authorization": "Bearer x"}}]}, "Authorization"),
    (check_parameters, {"azure_ad_token": "x"}, "may hold a secret"),
    (check_parameters, {"password": "x"}, "may hold a secret"),
]


@pytest.mark.parametrize(("check", "value"), GOOD)
def test_let_through(check: Callable[[Any], None], value: Any) -> None:
    check(value)


@pytest.mark.parametrize(("check", "value", "said"), BAD)
def test_refused(check: Callable[[Any], None], value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        check(value)
    assert said in raised.value.messages[0]


@pytest.mark.parametrize(
    ("check", "value"), [(check_key_env, "sk-proj-Abc123"), (check_parameters, {"api_key": "sk-a"})]
)
def test_what_may_be_a_secret_is_not_repeated(check: Callable[[Any], None], value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        check(value)
    assert "sk-" not in str(raised.value)
