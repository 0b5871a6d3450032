import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import BooleanField, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator

from agents.language_models.catalogue import make_default, why_not
from agents.language_models.model_fields import check_parameters
from agents.models import LanguageModel
from audit.services import record_put
from audit.staff import Audited, by_staff
from opengpts.admin import AskedAdmin

_IN_BRACKETS = re.compile(r" \([^()]*\)")
# Characters of why a model cannot run, in the list.
_REASON_SHOWN = 60


class LanguageModelForm(ModelForm):
    """A model. The default is a box of the form's own: ticking it moves the mark from the model that had it."""

    default = BooleanField(
        required=False,
        help_text="For assistants that name no model. The mark moves here from the model that has it. While the "
        "marked one cannot run, it is GPT 3.5 Turbo where OPENAI_API_KEY is set, else the local model.",
    )

    class Meta:
        model = LanguageModel
        fields = [
            "label",
            "model",
            "base_url",
            "key_env",
            "parameters",
            "enabled",
            "context_window",
            "can_use_tools",
            "can_see_images",
            "input_price",
            "output_price",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["default"].initial = self.instance.is_default

    def clean_parameters(self) -> dict[str, Any]:
        parameters = self.cleaned_data["parameters"]
        if parameters is None:  # an empty box
            return {}
        # Here too, because Django asks no validator about [] and "".
        check_parameters(parameters)
        return dict(parameters)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("default") and not self.cleaned_data.get("enabled"):
            raise ValidationError({"default": "A model that is switched off cannot be the default."})
        return cleaned


@admin.register(LanguageModel)
class LanguageModelAdmin(Audited, AskedAdmin):
    """The models that assistants may name. A change holds from the next run on.

    The labels of OpenGPTs and of the local model stay: assistants name them, and the next `migrate` would bring them
    back. They can be given another model, or be switched off.
    """

    form = LanguageModelForm
    list_display = ["label", "availability", "enabled", "is_default", "prices", "model"]
    list_filter = ["enabled", "can_use_tools"]
    search_fields = ["label", "model", "base_url"]
    actions = ["choose_default"]
    readonly_fields = ["state", "kept"]
    fieldsets = [
        (None, {"fields": ["label", "model", "base_url", "key_env", "parameters"]}),
        ("Use", {"fields": ["enabled", "default", "state", "kept"]}),
        (
            "What it can do, and costs",
            {"fields": ["context_window", "can_use_tools", "can_see_images", "input_price", "output_price"]},
        ),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: LanguageModel | None = None) -> Any:
        """Without what only a model that is stored has, where one is added."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in self.readonly_fields]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> list[str]:
        fields = list(self.readonly_fields)
        return [*fields, "label"] if obj is not None and obj.is_builtin else fields

    def has_delete_permission(self, request: HttpRequest, obj: LanguageModel | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.is_builtin)

    def save_model(self, request: HttpRequest, obj: LanguageModel, form: Any, change: bool) -> None:
        obj.is_default = obj.is_default and form.cleaned_data["default"]
        super().save_model(request, obj, form, change)
        if form.cleaned_data["default"]:
            make_default(model=obj)

    @admin.display(description="can it run here")
    def state(self, model: LanguageModel) -> str:
        return why_not(model) or "yes"

    @admin.display(description="can it run here")
    def availability(self, model: LanguageModel) -> str:
        """The beginning of the reason, for the list: the whole one shows under the pointer, and on the model's page."""
        reason = why_not(model)
        if reason is None:
            return "ready"
        # The list has the label beside it, and no room for how to install a package.
        said = _IN_BRACKETS.sub("", reason.removeprefix(f"{model.label} "))
        return format_html('<span title="{}">{}</span>', reason, Truncator(said).chars(_REASON_SHOWN))

    @admin.display(description="USD per 1M tokens in / out")
    def prices(self, model: LanguageModel) -> str:
        prices = (model.input_price, model.output_price)
        return " / ".join("?" if price is None else f"{price.normalize():f}" for price in prices)

    @admin.display(description="kept")
    def kept(self, model: LanguageModel) -> str:
        """Why there is no button to delete it, where there is none."""
        if not model.is_builtin:
            return "It can be deleted; assistants that name it then say so when they run."
        return "It is a label of every server and cannot be deleted. Give it another model, or switch it off."

    @admin.action(description="Make it the default", permissions=["change"])
    def choose_default(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1 or not chosen[0].enabled:
            self.message_user(request, "Choose one model that is not switched off.", messages.ERROR)
            return
        with transaction.atomic():
            make_default(model=chosen[0])
            record_put(target=chosen[0], owner=None, made=False, changed=["is_default"], by=by_staff(request))
        self.message_user(request, f"{chosen[0]} is the default now.")
