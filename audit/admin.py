from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.models import AuditEntry
from opengpts.admin import ReadOnlyAdmin, pretty


class KindFilter(admin.SimpleListFilter):
    """The kinds of things that entries are about."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = AuditEntry.objects.order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, _kind_name(kind)) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what. Nobody writes or deletes an entry by hand; AUDIT_DAYS says how long they stay."""

    list_display = ["at", "who", "action", "what", "named", "whose", "way"]
    list_filter = ["action", KindFilter, "way", "at"]
    search_fields = ["actor_name", "owner_name", "target_id", "label"]
    search_help_text = "A user id (who did it, or whose it was), or the id or name of what it was done to."
    date_hierarchy = "at"
    fields = ["at", "who", "action", "way", "what", "target_id", "named", "whose", "details_text"]
    list_per_page = 50
    show_full_result_count = False

    @admin.display(description="actor", ordering="actor_name")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or ("whoever ran manage.py" if entry.way == "command" else "the server")

    @admin.display(description="owner", ordering="owner_name", empty_value="-")
    def whose(self, entry: AuditEntry) -> str | None:
        return entry.owner_name or None

    @admin.display(description="kind", ordering="kind")
    def what(self, entry: AuditEntry) -> str:
        return _kind_name(entry.kind)

    @admin.display(description="name")
    def named(self, entry: AuditEntry) -> SafeString | str:
        """The name or the id, with a link to what it was done to where there may still be that."""
        shown = entry.label or entry.target_id
        address = _address(entry) if entry.label else None
        return shown if address is None else format_html('<a href="{}">{}</a>', address, shown)

    @admin.display(description="details")
    def details_text(self, entry: AuditEntry) -> SafeString | str:
        return pretty(entry.details) if entry.details else "-"


def _kind_name(kind: str) -> str:
    try:
        return str(apps.get_model(kind)._meta.verbose_name)
    except LookupError:  # of an app that is not there any more
        return kind


def _address(entry: AuditEntry) -> str | None:
    try:
        return reverse(f"admin:{entry.kind.replace('.', '_')}_change", args=[entry.target_id])
    except NoReverseMatch:
        return None
