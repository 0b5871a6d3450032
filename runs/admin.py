from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from opengpts.admin import ReadOnlyAdmin, Said, conversation, pretty
from runs.cancellation import cancel_unfinished
from runs.models import CancelAction, Run, RunQuerySet
from threads.message_codec import text_of


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """What ran, for whom, and how it ended."""

    list_display = [
        "created_at",
        "status",
        "error_code",
        "assistant",
        "model",
        "tokens",
        "price",
        "duration",
        "owner",
        "thread",
    ]
    list_filter = ["status", "error_code", "created_at"]
    search_fields = ["id", "thread__id", "thread__name", "assistant__name", "owner__username", "model", "error_message"]
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
        "asked",
        "input_text",
        "resume_text",
        "config_text",
        "checkpoint_id",
        "cancel_action",
        "model",
        ("input_tokens", "output_tokens", "counted"),
        "price",
        "attempts",
        "worker",
        "created_at",
        "started_at",
        "heartbeat_at",
        "finished_at",
    ]
    list_per_page = 50
    actions = ["cancel"]

    @admin.display(description="took")
    def duration(self, run: Run) -> str:
        if run.started_at is None or run.finished_at is None:
            return ""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    @admin.action(description="Cancel selected runs (what they have said is kept)", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: RunQuerySet) -> None:
        unfinished = list(queryset.unfinished())
        for run in unfinished:
            cancel_unfinished(run.thread_id, Run.objects.filter(pk=run.pk), action=CancelAction.INTERRUPT)
        left = queryset.count() - len(unfinished)
        said = f"{len(unfinished)} runs are cancelled." + (f" {left} had ended already." if left else "")
        self.message_user(request, said)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change runs could, if anybody but the server might."""
        return bool(request.user.has_perm("runs.change_run"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with what the runs that match its filters came to, on all its pages."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            matching = response.context_data["cl"].queryset.order_by()
            sums = matching.aggregate(read=Sum("input_tokens"), written=Sum("output_tokens"), cost=Sum("cost"))
            tokens = (sums["read"] or 0) + (sums["written"] or 0)
            response.context_data["subtitle"] = f"{tokens:,} tokens, {_dollars(sums['cost'])} where prices are known"
        return response

    @admin.display(description="tokens", ordering="input_tokens")
    def tokens(self, run: Run) -> str:
        usage = run.usage
        return "" if usage is None else f"{usage.total_tokens:,}{' (estimated)' if usage.estimated else ''}"

    @admin.display(description="tokens are")
    def counted(self, run: Run) -> str:
        usage = run.usage
        return "" if usage is None else "estimated" if usage.estimated else "as the provider counted them"

    @admin.display(description="cost (USD)", ordering="cost")
    def price(self, run: Run) -> str:
        return "" if run.cost is None else f"{run.cost.normalize():f}"

    @admin.display(description="asked")
    def asked(self, run: Run) -> SafeString | str:
        messages = run.input if isinstance(run.input, list) else []
        said = [Said(str(message.get("type", "")), text=text_of(message.get("content"))) for message in messages]
        return conversation(said) if said else "Nothing new: it went on from where its thread stood."

    @admin.display(description="input")
    def input_text(self, run: Run) -> SafeString:
        return pretty(run.input)

    @admin.display(description="decisions on tool calls")
    def resume_text(self, run: Run) -> SafeString:
        return pretty(run.resume)

    @admin.display(description="config")
    def config_text(self, run: Run) -> SafeString:
        return pretty(run.config)


def _dollars(cost: Decimal | None) -> str:
    """An amount to the hundredth of a cent; a smaller one to its second digit: it should not look like nothing."""
    if not cost:
        return "$0"
    return f"${cost:.{max(4, 1 - cost.adjusted())}f}"
