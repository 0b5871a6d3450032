from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from agents.config import assistant_type
from agents.language_models.catalogue import available_models
from agents.tools.catalogue import available_tools
from assistants.config_checking import check_and_seal
from assistants.models import Assistant
from audit.staff import Audited
from opengpts.admin import AskedAdmin
from opengpts.errors import Invalid
from opengpts.fields import JSONFormField


def say_where(detail: dict[str, Any]) -> str:
    """What is wrong with a config, with the place of a secret that is missing: the message alone does not name it."""
    place = ".".join(str(part) for part in detail["loc"])
    return f"{place}: {detail['msg']}" if detail["type"] == "secret_missing" else str(detail["msg"])


class AssistantForm(ModelForm):
    """An assistant, its config written as JSON."""

    config = JSONFormField(
        required=False,
        initial=dict,
        help_text=(
            'An object: {"configurable": {"type": "chatbot", …}}. Secrets in it are shown as ***, which keeps them; '
            "for another owner they must be entered anew."
        ),
    )

    class Meta:
        model = Assistant
        fields = ["name", "owner", "public", "config"]

    def clean_config(self) -> dict[str, Any]:
        config = self.cleaned_data["config"]
        if config is None:
            return {}
        if not isinstance(config, dict):
            raise ValidationError("This should be a JSON object.")
        return config

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        config, owner = cleaned.get("config"), cleaned.get("owner")
        if config is None or owner is None:
            return cleaned
        # As the API does it, and locked as there: the page may have been open for long.
        before = Assistant.objects.owned_by(owner).select_for_update(no_key=True).filter(pk=self.instance.pk).first()
        try:
            sealed = check_and_seal(config, owner=owner, stored=[before.sealed] if before else [])
        except Invalid as exc:
            self.add_error("config", ValidationError([say_where(detail) for detail in exc.details]))
            return cleaned
        self.instance.secrets = sealed.secrets
        return cleaned | {"config": sealed.config}


@admin.register(Assistant)
class AssistantAdmin(Audited, AskedAdmin):
    """Assistants of everyone. What staff change here holds from the next run on."""

    form = AssistantForm
    list_display = ["name_or_id", "kind", "owner", "public", "thread_count", "updated_at"]
    list_filter = ["public", "updated_at"]
    search_fields = ["name", "owner__username", "id"]
    date_hierarchy = "updated_at"
    list_select_related = ["owner"]
    autocomplete_fields = ["owner"]
    fields = ["name", "owner", "public", "config", "models", "tools", "id", "created_at", "updated_at"]
    readonly_fields = ["models", "tools", "id", "created_at", "updated_at"]
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        return super().get_queryset(request).annotate(thread_total=Count("threads"))

    @admin.display(description="name", ordering="name")
    def name_or_id(self, assistant: Assistant) -> str:
        return str(assistant)

    @admin.display(description="models to name in it")
    def models(self, assistant: Assistant | None) -> SafeString:
        """The catalogue, so that whoever writes a config sees which label works here, and why another does not."""
        rows = (
            (model.label, model.reason or ("ready" if model.can_use_tools else "ready; cannot use tools"))
            for model in available_models()
        )
        return format_html_join("", "<div><strong>{}</strong>: {}</div>", rows)

    @admin.display(description="tools to name in it")
    def tools(self, assistant: Assistant | None) -> SafeString:
        """As `models`, for tools."""
        rows = ((tool.type, tool.reason or tool.name) for tool in available_tools())
        return format_html_join("", "<div><strong>{}</strong>: {}</div>", rows)

    @admin.display(description="type")
    def kind(self, assistant: Assistant) -> str:
        return assistant_type(assistant.config)

    @admin.display(description="threads", ordering="thread_total")
    def thread_count(self, assistant: Any) -> int:
        return int(assistant.thread_total)

    def save_model(self, request: HttpRequest, obj: Assistant, form: ModelForm, change: bool) -> None:
        obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)
