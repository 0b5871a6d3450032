"""What staff do in the admin, written down as it is done."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest

from audit.models import Way
from audit.services import Actor, record_deletion, record_put


def by_staff(request: HttpRequest) -> Actor:
    """Whoever is logged in to the admin."""
    return Actor(request.user, Way.ADMIN)


class AuditedDeletion(admin.ModelAdmin):
    """Rows whose deletion by staff is written down. What else is done to them here goes through services that do so."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with transaction.atomic():
            record_deletion(target=obj, owner=owner_of(obj), by=by_staff(request))
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                record_deletion(target=obj, owner=owner_of(obj), by=by_staff(request))
            super().delete_queryset(request, queryset)


class Audited(AuditedDeletion):
    """Rows that staff write by the admin's own forms: what they add, change and delete is written down."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_put(target=obj, owner=owner_of(obj), made=True, changed=(), by=by_staff(request))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_put(target=obj, owner=owner_of(obj), made=False, changed=_fields(message), by=by_staff(request))
        return super().log_change(request, obj, message)

    def construct_change_message(
        self, request: HttpRequest, form: Form, formsets: Iterable[Any], add: bool = False
    ) -> list[dict[str, Any]]:
        """As Django's, by the names of fields instead of their labels, and without naming the rows of formsets."""
        if add:
            return [{"added": {}}]
        changed = [*form.changed_data]
        changed += [
            formset.model._meta.model_name
            for formset in formsets or ()
            if formset.new_objects or formset.changed_objects or formset.deleted_objects
        ]
        return [{"changed": {"fields": changed}}] if changed else []


def owner_of(obj: Model) -> Any:
    """Whose a row is: a user is their own, and what has no owner is nobody's."""
    return obj if isinstance(obj, get_user_model()) else getattr(obj, "owner", None)


def _fields(message: Any) -> list[str]:
    if not isinstance(message, list):
        return []
    # In lower case: where Django writes a message itself, it has the labels of the fields.
    return [str(name).lower() for part in message for name in part.get("changed", {}).get("fields", ())]
