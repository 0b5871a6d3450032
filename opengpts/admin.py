"""What the admin pages of the apps share."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

admin.site.site_url = "/docs"
admin.site.site_header = "OpenGPTs on Django"
admin.site.site_title = "OpenGPTs on Django"
admin.site.index_title = "Assistants, threads and runs"

# How what we show of JSON and of conversations looks. For the `Media` of each admin that shows such: styles within a page are forbidden.
STYLE = {"all": ["opengpts/admin.css"]}


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only the server writes: staff can look, and nothing else."""

    class Media:
        css = STYLE

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DeletedWhole(admin.ModelAdmin):
    """Rows that go with all that is theirs: also with what the server alone writes, and nobody deletes by itself."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        to_delete, counts, lacking, protected = super().get_deleted_objects(objs, request)
        written_by_server = {
            str(model._meta.verbose_name)
            for model, registered in self.admin_site._registry.items()
            if isinstance(registered, ReadOnlyAdmin)
        }
        return to_delete, counts, set(lacking) - written_by_server, protected


def pretty(value: Any) -> SafeString:
    """A JSON value for people to read. Everything in it is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="json">{}</pre>', text)
