import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from audit.staff import AuditedDeletion
from opengpts.admin import DeletedWhole, ReadOnlyAdmin, Said, conversation, pretty
from threads.models import Checkpoint, Message, Thread
from threads.state import messages_of_thread

# Of a conversation on its thread's page.
MESSAGES_SHOWN = 200


@admin.register(Thread)
class ThreadAdmin(DeletedWhole, AuditedDeletion, ReadOnlyAdmin):
    """Conversations, readable. They are changed by those who hold them."""

    list_display = ["name_or_id", "owner", "assistant", "message_count", "updated_at"]
    list_filter = ["created_at", "updated_at"]
    search_fields = ["id", "name", "owner__username", "assistant__name", "messages__content"]
    search_help_text = "A thread's id or name, its user or assistant, or words of its messages."
    date_hierarchy = "created_at"
    list_select_related = ["owner", "assistant"]
    fields = ["id", "name", "owner", "assistant", "metadata_text", "created_at", "updated_at", "messages_text"]
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thread]:
        messages = Message.objects.filter(thread=OuterRef("pk")).order_by().values("thread")
        total = Subquery(messages.annotate(total=Count("pk")).values("total"))
        return super().get_queryset(request).annotate(message_total=Coalesce(total, 0))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("threads.delete_thread"))

    @admin.display(description="name", ordering="name")
    def name_or_id(self, thread: Thread) -> str:
        return str(thread)

    @admin.display(description="metadata")
    def metadata_text(self, thread: Thread) -> SafeString:
        return pretty(thread.metadata)

    @admin.display(description="messages", ordering="message_total")
    def message_count(self, thread: Any) -> int:
        return int(thread.message_total)

    @admin.display(description="messages")
    def messages_text(self, thread: Thread) -> SafeString | str:
        messages = messages_of_thread(thread, newest=MESSAGES_SHOWN)
        if not messages:
            return "No messages yet."
        said = conversation(
            Said(message.type, message.created_at.strftime("%Y-%m-%d %H:%M:%S"), message.content, _lines(message))
            for message in messages
        )
        if len(messages) < MESSAGES_SHOWN:
            return said
        every = reverse("admin:threads_message_changelist", query={"q": str(thread.pk)})
        return format_html('<p>The newest {} messages of <a href="{}">all</a>.</p>{}', len(messages), every, said)


def _lines(message: Message) -> str:
    """What a message says beside its text: the tools it calls, the documents it brings."""
    data = json.loads(message.data)
    lines = [f"calls {call['name']} {_compact(call['args'])}" for call in data.get("tool_calls") or []]
    if not lines and not message.content and isinstance(data["content"], list):
        lines = [_shown_block(block) for block in data["content"]]
    return "\n".join(lines) or ("" if message.content else "(nothing)")


def _shown_block(block: Any) -> str:
    if isinstance(block, dict) and isinstance(block.get("page_content"), str):
        return f"document: {block['page_content']}"
    return _compact(block)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Every message ever written, the replaced ones included."""

    list_display = ["short", "type", "thread", "created_at"]
    list_filter = ["type", "created_at"]
    search_fields = ["content", "thread__id", "message_id"]
    list_select_related = ["thread"]
    fields = ["thread", "position", "type", "message_id", "content", "data_text", "created_at"]
    list_per_page = 50
    show_full_result_count = False

    @admin.display(description="message")
    def short(self, message: Message) -> str:
        return Truncator("\n".join(filter(None, (message.content, _lines(message))))).chars(80)

    @admin.display(description="data")
    def data_text(self, message: Message) -> SafeString:
        return pretty(json.loads(message.data))


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """The states that the graphs saved, step by step."""

    list_display = ["checkpoint_id", "thread", "source", "step", "next", "run_id", "created_at"]
    list_filter = ["source", "created_at"]
    search_fields = ["checkpoint_id", "thread__id", "run_id"]
    list_select_related = ["thread"]
    fields = [
        "thread",
        "checkpoint_id",
        "parent_checkpoint_id",
        "checkpoint_ns",
        "source",
        "step",
        "next",
        "run_id",
        "messages_text",
        "metadata_text",
        "created_at",
    ]
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Checkpoint]:
        return super().get_queryset(request).defer("values", "data")

    @admin.display(description="positions of its messages")
    def messages_text(self, checkpoint: Checkpoint) -> SafeString:
        return pretty(checkpoint.messages)

    @admin.display(description="metadata")
    def metadata_text(self, checkpoint: Checkpoint) -> SafeString:
        return pretty(checkpoint.metadata)
