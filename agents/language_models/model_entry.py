"""A language model as the rest of the app sees it: what is built, and what it costs."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue. Equal entries give the same graph, so this is part of the graph cache's key.

    `provider` and `name` are the two halves of `provider:model`. `context_window` is in tokens, the answer included;
    None where it is not known. `base_url` is empty for the provider's own. `key_env` names the environment variable
    that holds the key, empty where none is needed; the key itself is read when the model is built. `options` is the
    JSON text of the parameters that the model is built with. Prices are in USD per million tokens, None where unknown.
    """

    label: str
    provider: str
    name: str = ""
    context_window: int | None = None
    can_use_tools: bool = True
    can_see_images: bool = True
    base_url: str = ""
    key_env: str = ""
    options: str = "{}"
    input_price: Decimal | None = None
    output_price: Decimal | None = None

    @property
    def model(self) -> str:
        """`provider:model`, as `init_chat_model` takes it."""
        return f"{self.provider}:{self.name}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the model is built with, beside its name, key and base URL."""
        parameters: dict[str, Any] = json.loads(self.options)
        return parameters


def options_of(parameters: dict[str, Any]) -> str:
    """`ModelEntry.options` for these parameters: the same text for equal ones."""
    return json.dumps(parameters, sort_keys=True, allow_nan=False)
