"""What a user's data is made of: the files of an export, each with the rows that go into it.

An app that keeps something of a user has its part here. Rows come one by one, however many there are. None has a
secret in it: no keys, no passwords, and `***` for the secrets of configs, which are stored apart from them.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from accounts.models import APIKey, User
from agents.tools.images import read_image
from assistants.models import Assistant
from audit.models import AuditEntry
from knowledge.models import Chunk, Document, DocumentContent
from quotas.models import DailyUse, Quota
from runs.models import Run
from schedules.models import Schedule
from threads.models import Checkpoint, Image, Message, Thread

# Rows that are fetched together.
ROWS = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A file of JSON: a list with an object for each row."""

    name: str
    about: str
    rows: Callable[[User], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of files: the path of each, and its bytes in pieces."""

    name: str
    about: str
    files: Callable[[User], Iterator[tuple[str, Iterator[bytes]]]]


def _profile(user: User) -> Iterator[Row]:
    groups = Group.objects.filter(user=user).order_by("name").values_list("name", flat=True)
    names = ("username", "email", "is_active", "is_staff", "is_superuser", "date_joined", "last_login")
    yield {**{name: getattr(user, name) for name in names}, "groups": list(groups)}


def _api_keys(user: User) -> Iterator[Row]:
    fields = ("id", "name", "prefix", "can_read", "can_run", "can_manage", "created_at", "expires_at", "revoked_at")
    yield from _rows(APIKey.objects.owned_by(user), *fields, "last_used_at")


def _quota(user: User) -> Iterator[Row]:
    fields = ("runs_per_day", "tokens_per_day", "cost_per_day", "storage_bytes", "unlimited")
    yield from _rows(Quota.objects.filter(user=user), *fields)


def _use(user: User) -> Iterator[Row]:
    yield from _rows(DailyUse.objects.filter(user=user), "day", "runs", "input_tokens", "output_tokens", "cost")


def _assistants(user: User) -> Iterator[Row]:
    yield from _rows(Assistant.objects.filter(owner=user), "id", "name", "config", "public", *_DATES)


def _threads(user: User) -> Iterator[Row]:
    yield from _rows(Thread.objects.filter(owner=user), "id", "assistant_id", "name", "metadata", *_DATES)


def _messages(user: User) -> Iterator[Row]:
    """Thread by thread: the order that the database has an index for."""
    for thread_id in _ids(Thread.objects.filter(owner=user)):
        rows = Message.objects.filter(thread=thread_id).order_by("position")
        for row in _rows(rows, "thread_id", "position", "created_at", "data"):
            yield {**row, "data": json.loads(row["data"])}


def _states(user: User) -> Iterator[Row]:
    fields = ("thread_id", "checkpoint_id", "parent_checkpoint_id", "checkpoint_ns", "run_id", "source", "step")
    for thread_id in _ids(Thread.objects.filter(owner=user)):
        rows = Checkpoint.objects.filter(thread=thread_id).order_by("checkpoint_ns", "checkpoint_id")
        yield from _rows(rows, *fields, "created_at", "messages")


def _runs(user: User) -> Iterator[Row]:
    fields = ("id", "thread_id", "assistant_id", "status", "input", "resume", "config", "error_code", "error_message")
    usage = ("model", "input_tokens", "output_tokens", "usage_estimated", "cost")
    yield from _rows(Run.objects.filter(owner=user), *fields, *usage, "created_at", "started_at", "finished_at")


def _schedules(user: User) -> Iterator[Row]:
    fields = ("id", "thread_id", "assistant_id", "cron", "timezone", "input", "config", "enabled", "last_error")
    yield from _rows(Schedule.objects.filter(owner=user), *fields, "created_at", "next_at", "last_at")


def _documents(user: User) -> Iterator[Row]:
    fields = ("id", "assistant_id", "thread_id", "name", "media_type", "size", "sha256", "status", "error_message")
    yield from _rows(Document.objects.filter(owner=user), *fields, "created_at", "finished_at")


def _chunks(user: User) -> Iterator[Row]:
    for document_id in _ids(Document.objects.filter(owner=user)):
        rows = Chunk.objects.filter(document=document_id).order_by("position")
        yield from _rows(rows, "document_id", "position", "page", "section", "text")


def _images(user: User) -> Iterator[Row]:
    yield from _rows(Image.objects.filter(thread__owner=user), "name", "thread_id", "created_at")


def _audit(user: User) -> Iterator[Row]:
    """What they did, and what was done to what is theirs; who else did that is not theirs to know."""
    entries = AuditEntry.objects.filter(Q(actor=user) | Q(owner=user))
    for row in _rows(entries, "at", "action", "way", "actor_id", "kind", "target_id", "label", "details"):
        actor = row.pop("actor_id")
        yield {**row, "by": "you" if actor == user.pk else "the server" if actor is None else "staff"}


def _document_files(user: User) -> Iterator[tuple[str, Iterator[bytes]]]:
    for document_id in _ids(Document.objects.filter(owner=user)):
        pieces = DocumentContent.objects.filter(document=document_id).order_by("position")
        data = pieces.values_list("data", flat=True).iterator(chunk_size=1)
        if (first := next(data, None)) is not None:
            yield str(document_id), (bytes(piece) for piece in chain([first], data))


def _image_files(user: User) -> Iterator[tuple[str, Iterator[bytes]]]:
    names = Image.objects.filter(thread__owner=user).values_list("name", flat=True)
    for name in names.iterator(chunk_size=ROWS):
        if (found := read_image(name)) is not None:
            yield name, iter([found[0]])


_DATES = ("created_at", "updated_at")

PARTS: tuple[Part | Files, ...] = (
    Part("profile.json", "who you are to this server", _profile),
    Part("api_keys.json", "your API keys, without the keys themselves: nobody has those but you", _api_keys),
    Part("quota.json", "what you may use, where that was set for you alone", _quota),
    Part("use.json", "what you have used, by day", _use),
    Part("assistants.json", "your assistants; `***` stands for their secrets", _assistants),
    Part("threads.json", "your conversations", _threads),
    Part("messages.json", "every message in them, also those that were replaced later", _messages),
    Part(
        "states.json", "the states that they went through, branches too: the positions of the messages in each", _states
    ),
    Part("runs.json", "what your assistants were asked to do, how that ended, and what it cost", _runs),
    Part("schedules.json", "your schedules", _schedules),
    Part("documents.json", "the files that you uploaded", _documents),
    Part("chunks.json", "what this server has read in them, in pieces", _chunks),
    Files(
        "documents",
        "the files themselves, where they are still kept: until they are read",
        _document_files,
    ),
    Part("images.json", "the images that tools made for you", _images),
    Files("images", "the images themselves", _image_files),
    Part("audit.json", "what was written down of what you did, and of what was done to what is yours", _audit),
)


def _rows(rows: QuerySet[Any], *fields: str) -> Iterator[Row]:
    return iter(rows.values(*fields).iterator(chunk_size=ROWS))


def _ids(rows: QuerySet[Any]) -> Iterator[Any]:
    return iter(rows.order_by().values_list("pk", flat=True).iterator(chunk_size=ROWS))
