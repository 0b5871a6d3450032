from django.contrib import admin

from audit.staff import Audited
from opengpts.admin import AskedAdmin, ReadOnlyAdmin
from quotas.models import DailyUse, Quota

RULES = (
    "A user's own numbers count; where a field of theirs is empty, the largest number of their groups; where that is "
    "empty too, the server's setting (QUOTA_…). 0 allows nothing. The day is UTC's. To free a user from the limits of "
    "a group or the server, give them a row of their own and tick “unlimited”; to free them of one limit only, give "
    "that field a number that is never reached. A run that goes on is let end: what it uses beyond the quota counts, "
    "and keeps the next one from beginning."
)


@admin.register(Quota)
class QuotaAdmin(Audited, AskedAdmin):
    """What users and groups may use."""

    list_display = [
        "__str__",
        "kind",
        "runs_per_day",
        "tokens_per_day",
        "cost_per_day",
        "storage_bytes",
        "unlimited",
    ]
    list_filter = ["unlimited", ("user", admin.EmptyFieldListFilter)]
    search_fields = ["user__username", "group__name"]
    list_select_related = ["user", "group"]
    autocomplete_fields = ["user", "group"]
    fieldsets = [
        (None, {"fields": ["user", "group"]}),
        (
            "May use",
            {
                "description": RULES,
                "fields": ["runs_per_day", "tokens_per_day", "cost_per_day", "storage_bytes", "unlimited"],
            },
        ),
    ]
    list_per_page = 50

    @admin.display(description="of")
    def kind(self, quota: Quota) -> str:
        return "user" if quota.user_id else "group"


@admin.register(DailyUse)
class DailyUseAdmin(ReadOnlyAdmin):
    """What each user has used, by day."""

    list_display = ["day", "user", "runs", "input_tokens", "output_tokens", "price"]
    search_fields = ["user__username"]
    date_hierarchy = "day"
    list_filter = ["day"]
    list_select_related = ["user"]
    fields = ["day", "user", "runs", "input_tokens", "output_tokens", "price"]
    list_per_page = 100
    show_full_result_count = False

    @admin.display(description="cost (USD)", ordering="cost")
    def price(self, use: DailyUse) -> str:
        return f"{use.cost.normalize():f}"
