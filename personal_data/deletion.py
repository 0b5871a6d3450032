"""Deleting a user with all that is theirs.

In small transactions, so that the server goes on beside it however much there is. Each step looks for what is left to
do: after a crash, the whole is done again and goes on where it was. The user's row goes last.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import CASCADE, Model, QuerySet
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import User
from assistants.models import Assistant
from audit.models import Action
from audit.services import Actor, forget_names, forget_user, record
from knowledge.models import Chunk, Document, DocumentContent
from knowledge.words import forget_deleted_words
from opengpts.errors import Conflict
from runs.models import Run
from schedules.models import Schedule
from threads.models import Checkpoint, CheckpointWrite, Message, Thread

LAST_SUPERUSER = "This is the last superuser who can log in. Make another one first."
# Rows that one transaction deletes: 0.1 s where they are chunks.
ROWS = 500
# Threads, or assistants, that are deleted together.
TOGETHER = 100
# Milliseconds that the log of SQLite may take to be emptied.
WAL_PATIENCE = 1000

ThreadsGone = Callable[[Sequence[uuid.UUID]], None]


def deactivate(*, user: User, by: Actor) -> None:
    """Keep a user who is to be deleted from writing anything more. Raises `Conflict` for the last superuser."""
    with transaction.atomic():
        refuse_last_superuser(user)
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            record(action=Action.DEACTIVATED, target=user, owner=user, by=by)
    user.is_active = False


def refuse_last_superuser(user: User) -> None:
    """Raise `Conflict` where nobody else could manage the server; in a transaction, until whose end that stays so."""
    # Those who delete two superusers at once wait for each other.
    superusers = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    if user.is_superuser and set(superusers.values_list("pk", flat=True)) <= {user.pk}:
        raise Conflict(LAST_SUPERUSER)


def delete_person(*, user: User, by: Actor, threads_gone: ThreadsGone | None = None) -> None:
    """Delete a user who is not active, and all that is theirs; their runs have ended (see `personal_data.ending`).

    `threads_gone` is told of threads when they are deleted. Raises `Conflict` for the last superuser.
    """
    _delete(Schedule.objects.filter(owner=user))
    delete_threads(Thread.objects.filter(owner=user), gone=threads_gone)
    delete_assistants(Assistant.objects.filter(owner=user))
    for rows in _others_of(user):
        _delete(rows)
    _delete_sessions(user)
    forget_user(user=user)
    with transaction.atomic():
        refuse_last_superuser(user)
        record(action=Action.DELETED, target=user, owner=user, by=by)
        # Of what was recorded since, this deletion too.
        forget_user(user=user)
        user.delete()
    _leave_no_trace()


def delete_threads(threads: QuerySet[Thread], *, gone: ThreadsGone | None = None) -> None:
    """Delete threads with all that is in them."""
    while ids := list(threads.order_by().values_list("pk", flat=True)[:TOGETHER]):
        for model in (CheckpointWrite, Checkpoint, Message):
            _delete(model._default_manager.filter(thread__in=ids))
        delete_documents(Document.objects.filter(thread__in=ids))
        _delete(Schedule.objects.filter(thread__in=ids))
        _delete(Run.objects.filter(thread__in=ids))
        if settings.ON_POSTGRESQL:
            _delete_jobs(ids)
        with transaction.atomic():
            # With what was added since. The files of their images go when this is committed.
            Thread.objects.filter(pk__in=ids).delete()
            forget_names(Thread, ids)
        if gone is not None:
            gone(ids)


def delete_assistants(assistants: QuerySet[Assistant]) -> None:
    """Delete assistants with their documents. The threads of others that talked to them stay."""
    while ids := list(assistants.order_by().values_list("pk", flat=True)[:TOGETHER]):
        delete_documents(Document.objects.filter(assistant__in=ids))
        with transaction.atomic():
            Assistant.objects.filter(pk__in=ids).delete()
            forget_names(Assistant, ids)


def delete_documents(documents: QuerySet[Document]) -> None:
    """Delete documents with their bytes, chunks and vectors. One that is being read is let go of by its reader."""
    while ids := list(documents.order_by().values_list("pk", flat=True)[:TOGETHER]):
        _delete(DocumentContent.objects.filter(document__in=ids))
        _delete(Chunk.objects.filter(document__in=ids))
        with transaction.atomic():
            Document.objects.filter(pk__in=ids).delete()
            forget_names(Document, ids)


def _others_of(user: User) -> Iterator[QuerySet[Any]]:
    """All else that goes with a user, of whichever app: what refers to their row by a CASCADE; and their tokens."""
    for relation in User._meta.related_objects:
        if relation.on_delete is CASCADE:
            model: type[Model] = relation.related_model
            yield model._base_manager.filter(**{relation.field.name: user})
    # These would stay, belonging to nobody.
    yield OutstandingToken.objects.filter(user=user)


def _delete(rows: QuerySet[Any]) -> None:
    """Delete rows, in transactions of ROWS each; the logs forget their names."""
    named = hasattr(rows.model, "owner")
    while ids := list(rows.order_by().values_list("pk", flat=True)[:ROWS]):
        with transaction.atomic():
            rows.model._base_manager.filter(pk__in=ids).delete()
            if named:
                forget_names(rows.model, ids)


def _delete_jobs(thread_ids: Sequence[uuid.UUID]) -> None:
    # Loads Procrastinate, which is there with PostgreSQL only.
    from runs.executors.jobs import delete_waiting_jobs

    delete_waiting_jobs(thread_ids)


def _delete_sessions(user: User) -> None:
    """Delete the logins of a user. Whose a session is stands within it, so all are looked at."""
    theirs: list[str] = []
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            theirs.append(session.pk)
    for start in range(0, len(theirs), ROWS):
        Session.objects.filter(pk__in=theirs[start : start + ROWS]).delete()


def _leave_no_trace() -> None:
    """Have SQLite forget also what it keeps beside its tables. PostgreSQL's autovacuum does as much in its time.

    Within somebody else's transaction nothing: `personal_data.upkeep` does it before long.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    forget_deleted_words()
    with connection.cursor() as cursor:
        patience = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        # The log of what was written has the deleted once more. Whoever reads now keeps it from being emptied, and
        # others from writing while this waits for them; it is written over from its beginning soon then.
        cursor.execute(f"PRAGMA busy_timeout = {WAL_PATIENCE}")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")
