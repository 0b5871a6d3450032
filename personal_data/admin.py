from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import APIUserAdmin, asking
from accounts.models import User
from accounts.staff_rights import may_handle
from audit.staff import by_staff
from opengpts.errors import Conflict
from personal_data.counting import count_of
from personal_data.deletion import deactivate, delete_person, refuse_last_superuser
from personal_data.ending import end_runs

# Rows that are deleted while a page waits: a few seconds' work.
AT_MOST = 20_000

admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(APIUserAdmin):
    """Users, who are deleted here as `manage.py delete_user` does: with all that is theirs, files and events included.

    In one transaction, so only where there is not too much of it. The command has no such limit.
    """

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """How many of what would go, instead of each of them: they may be millions."""
        counts: dict[str, int] = {}
        shown: list[Any] = []
        refused: list[str] = []
        for user in objs:
            theirs = count_of(user)
            shown.append(f"user: {user}")
            shown.append([f"{number:,} {name}" for name, number in theirs.items() if number])
            for name, number in theirs.items():
                counts[name] = counts.get(name, 0) + number
            if sum(theirs.values()) > AT_MOST:
                refused.append(f"{user} has too much to be deleted here. Call: manage.py delete_user {user}")
            if not may_handle(asking(request), user):
                refused.append(f"{user} is staff, whom only superusers delete.")
            if message := _last_superuser(user):
                refused.append(f"{user}: {message}")
        lacking = set() if self.has_delete_permission(request) else {"user"}
        return shown, {"users": len(objs), **{name: n for name, n in counts.items() if n}}, lacking, refused

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            try:
                _delete(request, user)
            except Conflict as exc:  # the other superusers are among those that are gone by now
                self.message_user(request, f"{user} was not deleted. {exc.message}", messages.ERROR)


def _delete(request: HttpRequest, user: User) -> None:
    with transaction.atomic():
        deactivate(user=user, by=by_staff(request))
        # Their processes cannot say so before this transaction ends, and need not: they can save nothing any more.
        end_runs(user=user, wait=0)
        delete_person(user=user, by=by_staff(request))


def _last_superuser(user: User) -> str | None:
    try:
        with transaction.atomic():
            refuse_last_superuser(user)
    except Conflict as exc:
        return exc.message
    return None
