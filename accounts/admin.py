from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import User
from audit.staff import Audited
from opengpts.admin import DeletedWhole


@admin.register(User)
class APIUserAdmin(DeletedWhole, Audited, UserAdmin):
    """Users: staff with a password, and the identities that API clients came with."""

    list_display = ["username", "kind", "is_active", "date_joined", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active", "date_joined"]
    search_fields = ["username", "email"]
    ordering = ["-date_joined"]
    date_hierarchy = "date_joined"
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """In one transaction with what is written down of it."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    @admin.display(description="kind")
    def kind(self, user: User) -> str:
        return "API identity" if user.is_api_identity else "staff" if user.is_staff else "user"


admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(Audited, GroupAdmin):
    """Groups: what staff may do. What is changed here is written down."""
