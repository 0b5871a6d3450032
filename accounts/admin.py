from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group

from accounts.models import User
from opengpts.admin import AskedAdmin, DeletedWhole

admin.site.unregister(Group)


@admin.register(Group)
class AskedGroupAdmin(AskedAdmin, GroupAdmin):
    """Django's own, but that its list can be asked anything."""


@admin.register(User)
class APIUserAdmin(DeletedWhole, UserAdmin):
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

    @admin.display(description="kind")
    def kind(self, user: User) -> str:
        return "API identity" if user.is_api_identity else "staff" if user.is_staff else "user"
