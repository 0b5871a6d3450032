"""The language models that an assistant may name: their labels, and whether each can run here.

Nothing here imports LangChain: `chat_models` builds what this describes. What asks the database says so; call it in a
database thread, or in a request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from agents.errors import ModelUnavailable
from agents.language_models import local_model, providers
from agents.language_models.builtin_models import BUILTIN_MODELS, DEFAULT_LABEL, LOCAL_LABEL
from agents.language_models.model_entry import LOCAL, ModelEntry
from agents.models import LanguageModel

# As they were shipped. What staff made of them is in the database: see `resolve`.
MODELS: dict[str, ModelEntry] = {entry.label: entry for entry in BUILTIN_MODELS}


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as lists show it. `reason` says why it is not available; None when it is.

    `model` is what the label stands for here: `provider:name`, with no name where the environment should have it.
    `context_window` is in tokens, prices are in USD per million tokens, None where not known. `is_default` marks the
    one that runs which name none use now.
    """

    label: str
    model: str
    available: bool
    reason: str | None
    can_use_tools: bool
    can_see_images: bool
    context_window: int | None
    input_price: Decimal | None
    output_price: Decimal | None
    is_default: bool


def available_models() -> list[ModelStatus]:
    """Every model there is, in order, with the reason where one cannot run here. One query."""
    rows = list(LanguageModel.objects.all())
    default = _default_of(rows)
    return [
        ModelStatus(
            label=row.label,
            model=providers.model_of(row.entry),
            available=reason is None,
            reason=reason,
            can_use_tools=row.can_use_tools,
            can_see_images=row.can_see_images,
            context_window=row.context_window,
            input_price=row.input_price,
            output_price=row.output_price,
            is_default=row is default,
        )
        for row in rows
        for reason in [why_not(row)]
    ]


def labels() -> list[str]:
    """The labels that may be chosen, in order: those that are not switched off, available here or not. One query."""
    return list(LanguageModel.objects.filter(enabled=True).values_list("label", flat=True))


def proposed_label() -> str:
    """The label to propose: that of the model which runs where none is named, or OpenAI's where none can run."""
    try:
        return resolve(None).label
    except ModelUnavailable:
        return DEFAULT_LABEL


def is_label(label: str) -> bool:
    """Whether there is such a label, switched off or not. A query at most."""
    # PostgreSQL takes no NUL, and no label has anything of the kind.
    return label in MODELS or (label.isprintable() and LanguageModel.objects.filter(label=label).exists())


def why_not(row: LanguageModel) -> str | None:
    """Why `row` cannot run here, in a sentence; None when it can. Asks no provider."""
    if not row.enabled:
        return f"{row.label} is switched off."
    entry = row.entry
    if entry.provider == LOCAL:
        return local_model.availability()
    if entry.provider not in providers.PROVIDERS:
        return f"{row.label} names a provider that there is not: {entry.provider}."
    lacks = providers.missing(entry)
    needed = " and ".join(part for part in (", ".join(lacks[:-1]), *lacks[-1:]) if part)
    return f"{row.label} needs {needed}." if lacks else None


def resolve(label: str | None) -> ModelEntry:
    """The model to run for `label`; for None, the default. One query.

    The default is the one that staff marked, if it can run; else OpenAI's where there is a key, else the local one.
    Raises `ModelUnavailable`, with the reason and what to do, when it cannot run here or there is no such label.
    """
    if label is None:
        return _default()
    row = LanguageModel.objects.filter(label=label).first()
    if row is None:
        raise ModelUnavailable(f"There is no model called {label}. Choose another model.")
    if reason := why_not(row):
        advice = "Provide what is missing, or choose another model." if row.enabled else "Choose another model."
        raise ModelUnavailable(f"{reason.rstrip('.')}. {advice}")
    return row.entry


def make_default(*, model: LanguageModel) -> None:
    """Make `model` the default, and no other."""
    with transaction.atomic():
        LanguageModel.objects.filter(is_default=True).exclude(pk=model.pk).update(is_default=False)
        LanguageModel.objects.filter(pk=model.pk).update(is_default=True)


def _default() -> ModelEntry:
    wanted = Q(is_default=True) | Q(label__in=[DEFAULT_LABEL, LOCAL_LABEL])
    rows = list(LanguageModel.objects.filter(wanted))
    if row := _default_of(rows):
        return row.entry
    local = next((why_not(row) for row in rows if row.label == LOCAL_LABEL), None)
    raise ModelUnavailable(
        f"No model is set up. The local model cannot run: {(local or 'it is not in the catalogue').rstrip('.')}. "
        "Set OPENAI_API_KEY, make the local model run, or choose a default in the admin."
    )


def _default_of(rows: Iterable[LanguageModel]) -> LanguageModel | None:
    """The first of these that can run: the one marked, OpenAI's if there is a key, the local one."""
    fallbacks = [DEFAULT_LABEL, LOCAL_LABEL] if settings.OPENAI_API_KEY else [LOCAL_LABEL]
    by_label = {row.label: row for row in rows}
    candidates = [row for row in rows if row.is_default]
    candidates += [by_label[label] for label in fallbacks if label in by_label]
    return next((row for row in candidates if why_not(row) is None), None)
