"""What the admin pages of the apps share."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import DataError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from opengpts.markdown import render_markdown

admin.site.site_url = "/docs"
admin.site.site_header = "OpenGPTs on Django"
admin.site.site_title = "OpenGPTs on Django"
admin.site.index_title = "Assistants, threads and runs"

# Characters of messages that one page renders. It takes a second at most, whoever wrote them.
MAX_RENDERED = 40_000
_LINES = '<div class="text">{}</div>'
_WRITTEN = '<details><summary>as written</summary><pre class="json">{}</pre></details>'
# How JSON and conversations look. For the `Media` of each admin that shows such: styles within a page are forbidden.
STYLE = {"all": ["opengpts/admin.css"]}


class AskedList(ChangeList):
    """A list whose address may ask for what cannot be asked of a database: the list without it, not a 500."""

    def get_filters(self, request: HttpRequest) -> Any:
        with _askable():
            return super().get_filters(request)

    def get_results(self, request: HttpRequest) -> None:
        with _askable():
            super().get_results(request)


@contextmanager
def _askable() -> Iterator[None]:
    """Raises `IncorrectLookupParameters`, which Django's page answers, for a year 99999 or a NUL."""
    try:
        yield
    except (ValueError, OverflowError, DataError) as exc:
        raise IncorrectLookupParameters(exc) from exc


class AskedAdmin(admin.ModelAdmin):
    """What all our pages of lists are."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AskedList


class ReadOnlyAdmin(AskedAdmin):
    """Rows that only the server writes: staff can look, and nothing else."""

    class Media:
        css = STYLE

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DeletedWhole(AskedAdmin):
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


class Said(NamedTuple):
    """A message for people to read: Markdown, or lines that are to be read as they are."""

    who: str
    when: str = ""
    text: str = ""
    lines: str = ""


def conversation(messages: Iterable[Said]) -> SafeString:
    """Messages, each with its Markdown rendered and a fold with what was written.

    A page renders `MAX_RENDERED` characters and no more, however long what people and models have said is.
    """
    left = MAX_RENDERED
    rows = []
    for said in messages:
        shown = said.text and (render_markdown(said.text) if left > 0 else format_html(_LINES, said.text))
        left -= len(said.text)
        lines = said.lines and format_html(_LINES, said.lines)
        written = said.text and format_html(_WRITTEN, said.text)
        rows.append((said.who, said.when, shown, lines, written))
    items = format_html_join("", "<li><strong>{}</strong> <small>{}</small>{}{}{}</li>", rows)
    return format_html('<ol class="said">{}</ol>', items)
