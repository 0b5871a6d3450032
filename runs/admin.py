from django.contrib import admin
from django.utils.safestring import SafeString

from opengpts.admin import ReadOnlyAdmin, pretty
from runs.models import Run


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """What ran, for whom, and how it ended."""

    list_display = ["created_at", "status", "error_code", "thread", "owner", "duration"]
    list_filter = ["status", "error_code", "created_at"]
    search_fields = ["id", "thread__id", "thread__name", "assistant__name", "owner__username", "error_message"]
    date_hierarchy = "created_at"
    list_select_related = ["thread", "assistant", "owner"]
    fields = [
        "id",
        "status",
        "thread",
        "assistant",
        "owner",
        "error_code",
        "error_message",
        "input_text",
        "config_text",
        "attempts",
        "worker",
        "created_at",
        "started_at",
        "heartbeat_at",
        "finished_at",
    ]
    list_per_page = 50

    @admin.display(description="took")
    def duration(self, run: Run) -> str:
        if run.started_at is None or run.finished_at is None:
            return ""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    @admin.display(description="input")
    def input_text(self, run: Run) -> SafeString:
        return pretty(run.input)

    @admin.display(description="config")
    def config_text(self, run: Run) -> SafeString:
        return pretty(run.config)
