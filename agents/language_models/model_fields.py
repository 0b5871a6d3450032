"""What may stand in the fields of a `LanguageModel`, so that no key gets into the database and no field contradicts
another. Each raises Django's `ValidationError`."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from agents.language_models.providers import PROVIDERS

# The database uses it too.
KEY_ENV_PATTERN = r"^[A-Z_][A-Z0-9_]*$"
_KEY_ENV = re.compile(KEY_ENV_PATTERN)
# What keys look like that would pass for a name: AWS's, and long runs of letters and digits.
_KEY = re.compile(r"^(AKIA|ASIA)[A-Z0-9]{12,}$|[A-Z0-9]{24,}")
_NOT_A_NAME = (
    "This should be the NAME of an environment variable, such as ANTHROPIC_API_KEY: capital letters, digits and "
    "underscores. Never put a key itself here: it would be stored where staff can read it."
)

# Parameters that other fields hold, or that this server sets.
_RESERVED = {
    "model", "model_name", "model_id", "model_provider", "base_url", "openai_api_base", "azure_endpoint",
    "azure_deployment", "endpoint_url", "configurable_fields", "config_prefix", "http_client", "http_async_client",
    "callbacks", "cache", "streaming", "stream_usage", "disable_streaming",
}  # fmt: skip
_SECRET = re.compile(r"key(_?id)?$|secret|passw|credential|authoriz|bearer|headers?$|(^|_)token$", re.IGNORECASE)


def check_label(value: str) -> None:
    """A label can be read, and typed as it is shown."""
    if not value.isprintable() or value != value.strip():
        raise ValidationError("A label should have printable characters, and no spaces around it.")


def check_model(value: str) -> None:
    """`provider:model`, of a provider that can be used."""
    provider, colon, name = value.partition(":")
    if not colon or provider not in PROVIDERS:
        raise ValidationError(
            f"This should be provider:model, such as openai:gpt-6.1-sol. Providers: {', '.join(sorted(PROVIDERS))}."
        )
    if name != name.strip() or not name.isprintable():
        raise ValidationError("The model's name should have printable characters, and no spaces around it.")
    if not name and not PROVIDERS[provider].name_env:
        raise ValidationError(f"The model's name is missing, behind {provider}: (such as {provider}:a-model).")


def check_base_url(value: str) -> None:
    """An http address without a password or anything behind its path."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or not value.isprintable() or " " in value:
        raise ValidationError("This should be an address such as http://localhost:11434/v1.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValidationError("The address should have no user or password in it, and nothing behind its path.")


def check_key_env(value: str) -> None:
    """The name of an environment variable, and nothing that looks like a key."""
    if not _KEY_ENV.fullmatch(value) or _KEY.search(value):
        raise ValidationError(_NOT_A_NAME)


def check_parameters(value: Any) -> None:
    """An object that is no way around the other fields, or to store a secret."""
    if not isinstance(value, dict):
        raise ValidationError('This should be a JSON object, such as {"temperature": 0}.')
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as exc:
        raise ValidationError("NaN and Infinity are not JSON.") from exc
    if taken := sorted(_RESERVED & value.keys()):
        raise ValidationError(f"Not among the parameters: {', '.join(taken)}. Other fields, or this server, say it.")
    if secret := sorted({name for name in _names(value) if _SECRET.search(name)}):
        raise ValidationError(
            f"Not among the parameters: {', '.join(secret)}. It may hold a secret, and this is stored where staff can "
            "read it. Keys come from the environment."
        )


def _names(value: Any) -> Iterator[str]:
    """The names in a JSON value, at every depth."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(item)
