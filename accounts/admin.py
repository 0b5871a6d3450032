from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.keys import create_api_key, revoke_api_key
from accounts.logins import end_all_logins
from accounts.models import APIKey, User
from accounts.staff_rights import PRIVILEGES, handled_by, may_handle
from audit.staff import Audited, AuditedDeletion, by_staff
from opengpts.admin import AskedAdmin, DeletedWhole

# Where a request keeps the key that it has made.
NEW_KEY = "opengpts.new_api_key"


def asking(request: HttpRequest) -> User:
    """Who is logged in to the admin."""
    assert isinstance(request.user, User)
    return request.user


@admin.register(User)
class APIUserAdmin(DeletedWhole, Audited, AskedAdmin, UserAdmin):
    """Users: staff with a password, and the identities that API clients came with."""

    list_display = ["username", "kind", "is_active", "date_joined", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active", "date_joined"]
    search_fields = ["username", "email"]
    ordering = ["-date_joined"]
    date_hierarchy = "date_joined"
    actions = ["end_logins"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if asking(request).is_superuser else [*fields, *PRIVILEGES]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or may_handle(asking(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or may_handle(asking(request), obj))

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """In one transaction with what is written down of it."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    @admin.display(description="kind")
    def kind(self, user: User) -> str:
        return "API identity" if user.is_api_identity else "staff" if user.is_staff else "user"

    @admin.action(description="End all logins: tokens and sessions", permissions=["change"])
    def end_logins(self, request: HttpRequest, users: QuerySet[User]) -> None:
        handled = users.filter(pk__in=handled_by(asking(request)))
        for user in handled:
            end_all_logins(user=user)
        self.message_user(request, f"The logins of {len(handled)} users were ended.", messages.SUCCESS)
        if others := len(users) - len(handled):
            self.message_user(request, f"{others} are staff, whom only superusers log out.", messages.WARNING)


# Rows of simplejwt that say which tokens were spent: of no use to people, and its pages answer some addresses with 500.
admin.site.unregister([BlacklistedToken, OutstandingToken])
admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(Audited, AskedAdmin, GroupAdmin):
    """Groups: what staff may do. What is changed here is written down."""

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Or whoever may change groups could give themselves every permission."""
        return [] if asking(request).is_superuser else ["permissions"]


class APIKeyForm(ModelForm):
    """A new key of any user's."""

    class Meta:
        model = APIKey
        fields = ["owner", "name", "can_read", "can_run", "can_manage", "expires_at"]
        help_texts = {
            "can_read": "Look at things, and watch streams.",
            "can_run": "Make threads, add messages, start and cancel runs.",
            "can_manage": "Change assistants, documents and schedules, and delete.",
            "expires_at": "Empty: never.",
        }

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("This is over already.")
        return expires_at


@admin.register(APIKey)
class APIKeyAdmin(AuditedDeletion, AskedAdmin):
    """What programs act with for users. A key is shown once, when it is made; then it can only be revoked."""

    form = APIKeyForm
    list_display = ["name", "owner", "prefix", "may", "state", "created_at", "expires_at", "last_used_at"]
    list_filter = [
        ("revoked_at", admin.EmptyFieldListFilter),
        "can_read",
        "can_run",
        "can_manage",
        "expires_at",
        "last_used_at",
        "created_at",
    ]
    search_fields = ["name", "prefix", "owner__username"]
    list_select_related = ["owner"]
    autocomplete_fields = ["owner"]
    date_hierarchy = "created_at"
    actions = ["revoke"]
    list_per_page = 50

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # Whoever makes a key can act as its owner.
        return super().formfield_for_foreignkey(
            db_field, request, **{**kwargs, "queryset": handled_by(asking(request))}
        )

    def get_fields(self, request: HttpRequest, obj: APIKey | None = None) -> Any:
        fields = list(APIKeyForm.Meta.fields)
        return fields if obj is None else [*fields, "prefix", "id", "created_at", "last_used_at", "revoked_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: APIKey | None = None) -> Any:
        return [] if obj is None else self.get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        """By the service, which alone knows the key. Nothing of one that is there can be changed."""
        if not change:
            made, token = create_api_key(
                owner=obj.owner, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at, by=by_staff(request)
            )
            obj.pk, obj.prefix = made.pk, made.prefix
            # For the page that comes next.
            request.META[NEW_KEY] = token

    def response_add(self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None) -> HttpResponse:
        """A page that shows the key. It is in no message: those are kept in cookies until they are shown."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API key",
            "opts": self.opts,
            "key": obj,
            "token": request.META.pop(NEW_KEY),
        }
        page = TemplateResponse(request, "admin/accounts/apikey/made.html", context)
        page["Cache-Control"] = "no-store"
        return page

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[APIKey]) -> None:
        handled = keys.filter(owner__in=handled_by(asking(request))).select_related("owner")
        for key in handled:
            revoke_api_key(owner=key.owner, key_id=key.pk, by=by_staff(request))
        self.message_user(request, f"{len(handled)} API keys were revoked.", messages.SUCCESS)
        if others := len(keys) - len(handled):
            self.message_user(request, f"{others} are of staff: only superusers revoke those.", messages.WARNING)

    @admin.display(description="scopes")
    def may(self, key: APIKey) -> str:
        return ", ".join(sorted(key.scopes))

    @admin.display(description="state")
    def state(self, key: APIKey) -> str:
        return "revoked" if key.revoked_at else "expired" if key.is_expired(timezone.now()) else "in use"
