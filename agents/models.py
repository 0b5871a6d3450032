"""The language models that assistants may name. Staff edit them in the admin."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models

from agents.language_models.builtin_models import BUILTIN_MODELS
from agents.language_models.model_entry import ModelEntry, options_of
from agents.language_models.model_fields import (
    KEY_ENV_PATTERN,
    check_base_url,
    check_key_env,
    check_label,
    check_model,
    check_parameters,
)
from opengpts.fields import JSONTextField

_BUILTIN_LABELS = frozenset(entry.label for entry in BUILTIN_MODELS)
_NOT_NEGATIVE = MinValueValidator(Decimal(0))


class LanguageModel(models.Model):
    """One label, and the model it stands for now.

    There is no key in it: `key_env` names the environment variable that holds it.
    """

    label = models.CharField(
        max_length=255, unique=True, validators=[check_label], help_text="What assistants name it by."
    )
    model = models.CharField(
        max_length=255,
        validators=[check_model],
        help_text="provider:model, such as anthropic:claude-sonnet-5-5. For any server that speaks OpenAI's API "
        "(vLLM, LM Studio, Ollama, …): openai:name, and its base URL.",
    )
    base_url = models.CharField(
        "base URL",
        max_length=2000,
        blank=True,
        validators=[check_base_url],
        help_text="Such as http://localhost:11434/v1. Empty: the provider's own, or what its setting says "
        "(OPENAI_BASE_URL, OLLAMA_BASE_URL, AZURE_OPENAI_ENDPOINT).",
    )
    key_env = models.CharField(
        "variable of the key",
        max_length=255,
        blank=True,
        validators=[check_key_env],
        help_text="The NAME of the environment variable that holds the key, never the key. Empty: none is needed.",
    )
    parameters = JSONTextField(
        default=dict,
        blank=True,
        validators=[check_parameters],
        help_text='A JSON object that the model is built with, such as {"temperature": 0} or {"max_tokens": 2000}. '
        "Leave out what the model refuses.",
    )
    context_window = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Tokens that the model can read, its answer included. Of a longer thread the oldest part is not "
        "sent. Empty: not known, all is sent.",
    )
    can_use_tools = models.BooleanField(default=True)
    can_see_images = models.BooleanField(default=True, help_text="Without: it is sent a word for each image.")
    input_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[_NOT_NEGATIVE],
        help_text="USD per million tokens that it reads. Empty: not known, and so the cost of runs is not.",
    )
    output_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[_NOT_NEGATIVE],
        help_text="USD per million tokens that it writes.",
    )
    enabled = models.BooleanField(default=True, help_text="Off: assistants that name it say so when they run.")
    is_default = models.BooleanField(
        "default", default=False, help_text="For assistants that name none. There is one at most."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="language_model_one_default"
            ),
            models.CheckConstraint(
                condition=models.Q(model__contains=":"),
                name="language_model_names_provider",
                violation_error_message="The model should be provider:model.",
            ),
            models.CheckConstraint(
                condition=models.Q(key_env="") | models.Q(key_env__regex=KEY_ENV_PATTERN),
                name="language_model_key_env_is_a_name",
                violation_error_message="The variable of the key should be the name of an environment variable.",
            ),
            models.CheckConstraint(
                condition=(models.Q(input_price__isnull=True) | models.Q(input_price__gte=0))
                & (models.Q(output_price__isnull=True) | models.Q(output_price__gte=0)),
                name="language_model_prices_not_negative",
                violation_error_message="A price cannot be negative.",
            ),
            models.CheckConstraint(
                condition=models.Q(context_window__isnull=True) | models.Q(context_window__gte=1),
                name="language_model_context_window_positive",
                violation_error_message="A context window has one token at least.",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_builtin(self) -> bool:
        """Whether its label is one that every server has."""
        return self.label in _BUILTIN_LABELS

    @property
    def entry(self) -> ModelEntry:
        """The row as the rest of the app takes it."""
        provider, _, name = self.model.partition(":")
        return ModelEntry(
            label=self.label,
            provider=provider,
            name=name,
            context_window=self.context_window,
            can_use_tools=self.can_use_tools,
            can_see_images=self.can_see_images,
            base_url=self.base_url,
            key_env=self.key_env,
            options=options_of(self.parameters),
            input_price=self.input_price,
            output_price=self.output_price,
        )
