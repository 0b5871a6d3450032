from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ChoiceField, ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from pydantic import ValidationError

from assistants.admin import say_where
from audit.staff import AuditedDeletion, by_staff
from opengpts.admin import AskedAdmin
from opengpts.bodies import complaints
from opengpts.errors import Invalid, OpenGPTsError
from opengpts.fields import JSONFormField
from schedules.cron import timezones
from schedules.due import run_schedule
from schedules.models import Schedule
from schedules.schemas import ScheduleBody
from schedules.services import check_schedule, create_schedule, put_schedule


class ScheduleForm(ModelForm):
    """A schedule of the thread's owner. What a client may not send, staff may not either."""

    timezone = ChoiceField(
        label="time zone", choices=lambda: [(name, name) for name in sorted(timezones())], initial="UTC"
    )
    input = JSONFormField(
        required=False,
        initial=list,
        help_text='Messages: [{"type": "human", "content": "…"}]. With [] the conversation is answered as it stands.',
    )
    config = JSONFormField(
        required=False,
        initial=dict,
        help_text=(
            'What is different for its runs: {"configurable": {…}}, or {}. Secrets in it are shown as ***, which keeps '
            "them, and takes over those of the assistant where it is the same user's."
        ),
    )

    class Meta:
        model = Schedule
        fields = ["thread", "assistant", "cron", "timezone", "input", "config", "enabled"]
        help_texts = {
            "assistant": "Empty: the thread's.",
            "cron": "Minute, hour, day of the month, month, day of the week: 0 9 * * 1-5 is 9:00, Monday to Friday.",
        }

    # What `clean` leaves for whoever saves.
    body: ScheduleBody

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        thread = cleaned.get("thread") or (None if self.instance._state.adding else self.instance.thread)
        if self.errors or thread is None:
            return cleaned
        assistant = cleaned["assistant"]
        try:
            self.body = ScheduleBody.model_validate(
                {
                    **{name: cleaned[name] for name in ("cron", "timezone", "enabled")},
                    "thread_id": str(thread.pk),
                    "assistant_id": None if assistant is None else str(assistant.pk),
                    "input": [] if cleaned["input"] is None else cleaned["input"],
                    "config": cleaned["config"],
                }
            )
            before = None if self.instance._state.adding else self.instance
            check_schedule(owner=thread.owner, body=self.body, before=before)
        except ValidationError as exc:
            self._tell(complaints(exc, "body"))
        except Invalid as exc:
            self._tell(exc.details)
        except OpenGPTsError as exc:
            self.add_error(None if assistant is None else "assistant", exc.message)
        return cleaned

    def _tell(self, details: Sequence[dict[str, Any]]) -> None:
        for detail in details:
            _, field, *_ = detail["loc"]
            self.add_error(str(field), say_where(detail))


@admin.register(Schedule)
class ScheduleAdmin(AuditedDeletion, AskedAdmin):
    """The schedules of everyone. One belongs to the owner of its thread, who sees and may change it."""

    form = ScheduleForm
    list_display = ["cron", "timezone", "next_at", "enabled", "last_error", "thread", "assistant", "owner", "last_at"]
    list_filter = ["enabled", ("last_error", admin.EmptyFieldListFilter), "next_at"]
    search_fields = ["id", "thread__id", "thread__name", "assistant__name", "owner__username", "last_error"]
    list_select_related = ["thread", "assistant", "owner"]
    autocomplete_fields = ["thread", "assistant"]
    fields = [
        "thread",
        "owner",
        "assistant",
        "cron",
        "timezone",
        "input",
        "config",
        "enabled",
        "next_at",
        "last_at",
        "run",
        "last_error",
        "id",
        "created_at",
    ]
    readonly_fields = ["owner", "next_at", "last_at", "run", "last_error", "id", "created_at"]
    actions = ["run_now"]
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> list[str]:
        # Its owner would be another in another thread.
        fields = list(self.readonly_fields)
        return fields if obj is None else [*fields, "thread"]

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        """By the services: whoever runs it may be moving it on."""
        if change:
            put_schedule(owner=obj.owner, schedule_id=obj.pk, body=form.body, by=by_staff(request))
        else:
            obj.pk = create_schedule(owner=obj.thread.owner, body=form.body, by=by_staff(request)).pk

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        begun = 0
        for schedule in schedules.select_related("owner"):
            try:
                run_schedule(schedule=schedule)
                begun += 1
            except OpenGPTsError as exc:
                self.message_user(request, f"{schedule}: {exc.message}", messages.ERROR)
        if begun:
            self.message_user(request, f"{begun} runs began.", messages.SUCCESS)

    @admin.display(description="newest run")
    def run(self, schedule: Schedule) -> SafeString | str:
        if schedule.last_run is None:
            return "-"
        address = reverse("admin:runs_run_change", args=[schedule.last_run.pk])
        return format_html('<a href="{}">{}</a>', address, schedule.last_run)
