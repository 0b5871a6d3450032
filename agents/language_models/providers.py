"""What each provider of models needs from this machine: its package, settings and keys.

Nothing here imports LangChain or a provider's package.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec

from django.conf import settings

from agents.language_models.model_entry import LOCAL, ModelEntry

INSTALL = "in the server's environment: pip install -r requirements.txt {package}"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of models, as `init_chat_model` knows it.

    `package` is its package on PyPI. Where `takes_key`, the key is handed to it; the others read the environment, or
    need none. `name_env`, `url_env` and `also` are environment variables: the model's name and the base URL where the
    entry has none, and what must be there too. Of several names any one will do. `fetches_files`: its package itself
    opens what a message names by an address, wherever that is.
    """

    package: str
    takes_key: bool = True
    name_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    fetches_files: bool = False


_AWS = Provider("langchain-aws", takes_key=False, also=("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"))

PROVIDERS: dict[str, Provider] = {
    LOCAL: Provider("", takes_key=False),
    "openai": Provider("langchain-openai"),
    "anthropic": Provider("langchain-anthropic"),
    "anthropic_bedrock": _AWS,
    "azure_ai": Provider("langchain-azure-ai"),
    # The older names are those of OpenGPTs.
    "azure_openai": Provider(
        "langchain-openai",
        name_env=("AZURE_OPENAI_DEPLOYMENT_NAME",),
        url_env=("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_BASE"),
        also=("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION"),
    ),
    "baseten": Provider("langchain-baseten"),
    "bedrock": _AWS,
    "bedrock_converse": _AWS,
    "bedrock_mantle_anthropic": _AWS,
    "bedrock_mantle_openai": _AWS,
    "cohere": Provider("langchain-cohere", takes_key=False),
    "deepseek": Provider("langchain-deepseek"),
    "fireworks": Provider("langchain-fireworks"),
    "google_anthropic_vertex": Provider("langchain-google-vertexai", takes_key=False, fetches_files=True),
    "google_genai": Provider("langchain-google-genai", fetches_files=True),
    "google_vertexai": Provider("langchain-google-vertexai", takes_key=False, fetches_files=True),
    "groq": Provider("langchain-groq"),
    "huggingface": Provider("langchain-huggingface", takes_key=False),
    "ibm": Provider("langchain-ibm", takes_key=False),
    "litellm": Provider("langchain-litellm", fetches_files=True),
    "meta": Provider("langchain-meta"),
    "mistralai": Provider("langchain-mistralai"),
    "nvidia": Provider("langchain-nvidia-ai-endpoints", fetches_files=True),
    "ollama": Provider("langchain-ollama", takes_key=False, name_env=("OLLAMA_MODEL",), url_env=("OLLAMA_BASE_URL",)),
    "openrouter": Provider("langchain-openrouter"),
    "perplexity": Provider("langchain-perplexity"),
    "together": Provider("langchain-together"),
    "upstage": Provider("langchain-upstage"),
    "xai": Provider("langchain-xai"),
}


def missing(entry: ModelEntry) -> list[str]:
    """What `entry` lacks on this machine, each as a phrase that goes on from "needs". Starts and imports nothing."""
    provider = PROVIDERS[entry.provider]
    lacks = []
    if provider.package and find_spec(module_of(entry.provider)) is None:
        lacks.append(f"the package {provider.package} ({INSTALL.format(package=provider.package)})")
    if entry.key_env and not key_of(entry):
        lacks.append(entry.key_env)
    wanted = [
        () if entry.name else provider.name_env,
        () if entry.base_url else provider.url_env,
        () if entry.parameters.keys() & {"api_version", "region_name"} else provider.also,
    ]
    return lacks + [names[0] for names in wanted if names and not _environment(names)]


def module_of(provider: str) -> str:
    """The module that a provider's package is imported as."""
    return PROVIDERS[provider].package.replace("-", "_")


def key_of(entry: ModelEntry) -> str:
    """The key for `entry`; empty where it needs none, or its variable is not set."""
    if entry.key_env == "OPENAI_API_KEY":
        return str(settings.OPENAI_API_KEY)
    return os.environ.get(entry.key_env, "") if entry.key_env else ""


def name_of(entry: ModelEntry) -> str:
    """What the provider calls the model: the entry's name, or the environment's."""
    return entry.name or _environment(PROVIDERS[entry.provider].name_env)


def model_of(entry: ModelEntry) -> str:
    """`provider:model` as it is here: with the environment's name where the entry has none."""
    return f"{entry.provider}:{name_of(entry)}" if entry.provider in PROVIDERS else entry.model


def base_url_of(entry: ModelEntry) -> str:
    """Where the model is: the entry's base URL, or the environment's; empty for the provider's own."""
    if entry.base_url:
        return entry.base_url
    return str(settings.OPENAI_BASE_URL) if entry.provider == "openai" else _environment(_url_names(entry))


def base_url_setting(entry: ModelEntry) -> str:
    """What to change where the model cannot be found at its base URL."""
    if entry.base_url:
        return f"the base URL of {entry.label}"
    names = ("OPENAI_BASE_URL",) if entry.provider == "openai" else _url_names(entry)
    return names[0] if names else f"the settings of {entry.label}"


def api_version() -> str:
    """The version of Azure's API that the environment names."""
    return _environment(PROVIDERS["azure_openai"].also)


def _url_names(entry: ModelEntry) -> tuple[str, ...]:
    return PROVIDERS[entry.provider].url_env


def _environment(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name, ""))), "")
