"""Writing the audit log, and taking names out of it again.

Called by the services that write, within their transactions. Signals would not do: several of these services write by
`QuerySet.update`, which sends none.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CASCADE, Model
from django.utils.crypto import salted_hmac

from audit.models import MAX_LABEL, MAX_NAME, Action, AuditEntry, Way

# accounts.models.User, which this app is below of.
User = Any

# Ids that one statement names.
BATCH = 500
# What Django's own log of the admin calls what is gone.
GONE = "(deleted)"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and by which way. Without a user: whoever may run commands on the server, or the server itself."""

    user: User | None
    way: Way


BY_COMMAND = Actor(None, Way.COMMAND)


def record(
    *,
    action: Action,
    target: Model,
    owner: User | None,
    by: Actor | None = None,
    fields: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write down that `action` was done to `target`, which is `owner`'s: in the transaction that does it.

    By the owner through the API unless `by` says otherwise. `fields` are the names of those that changed; `counts` how
    many of what went along. Neither may hold what a user wrote. A deletion is for `record_deletion` to write down.
    """
    by = by or Actor(owner, Way.API)
    details: dict[str, Any] = {"fields": sorted(fields)} if fields else {}
    if counts:
        details["counts"] = dict(counts)
    AuditEntry.objects.create(
        action=action,
        way=by.way,
        actor=by.user,
        actor_name=_name(by.user),
        kind=kind_of(type(target)),
        target_id=str(target.pk),
        label="" if action == Action.DELETED else str(target)[:MAX_LABEL],
        owner=owner,
        owner_name=_name(owner),
        details=details,
    )


def record_put(
    *, target: Model, owner: User | None, made: bool, changed: Collection[str], by: Actor | None = None
) -> None:
    """`record` that `target` was made, or which fields of it were `changed`: nothing where that is none."""
    if made:
        record(action=Action.CREATED, target=target, owner=owner, by=by)
    elif changed:
        record(action=Action.CHANGED, target=target, owner=owner, by=by, fields=changed)
    public = getattr(target, "public", None)
    if (made and public) or (not made and "public" in changed):
        record(action=Action.SHARED if public else Action.UNSHARED, target=target, owner=owner, by=by)


def record_deletion(*, target: Model, owner: User | None, by: Actor | None = None) -> None:
    """Write down that `target` is deleted, and how much of what goes along with it; before it is, in one transaction.

    Its name goes from the log, and so do the names of what goes along.
    """
    counts = {}
    for relation in target._meta.related_objects:
        if relation.on_delete is CASCADE:
            rows = relation.related_model._base_manager.filter(**{relation.field.name: target})
            if number := rows.count():
                counts[str(relation.related_model._meta.verbose_name_plural)] = number
                if hasattr(relation.related_model, "owner"):
                    forget_names(relation.related_model, rows.values_list("pk", flat=True).iterator())
    record(action=Action.DELETED, target=target, owner=owner, by=by, counts=counts)
    forget_names(type(target), [target.pk])


def forget_names(model: type[Model], ids: Iterable[Any]) -> None:
    """Take the names of these rows of `model` out of the audit log, and out of Django's own of the admin."""
    content_type = ContentType.objects.get_for_model(model)
    for some in _batches(map(str, ids)):
        AuditEntry.objects.filter(kind=kind_of(model), target_id__in=some).exclude(label="").update(label="")
        LogEntry.objects.filter(content_type=content_type, object_id__in=some).update(object_repr=GONE)


def forget_user(*, user: User) -> None:
    """Put a pseudonym in the place of a user who is being deleted; and names of what was theirs go.

    It is the same for all that they did. Nobody can tell from it who it was.
    """
    named = pseudonym(user)
    # In pieces, each a transaction of its own where the caller has none: there may be very many.
    for mine, fields in (
        ({"owner": user}, {"owner_name": named, "label": "", "owner": None}),
        ({"actor": user}, {"actor_name": named, "actor": None}),
    ):
        rows = AuditEntry.objects.filter(**mine).order_by().values_list("pk", flat=True)
        while some := list(rows[:BATCH]):
            AuditEntry.objects.filter(pk__in=some).update(**fields)
    forget_names(get_user_model(), [user.pk])


def pseudonym(user: User) -> str:
    """What the audit log calls a user who was deleted."""
    return f"deleted user {salted_hmac('audit', str(user.pk), algorithm='sha256').hexdigest()[:12]}"


def delete_old_entries(*, days: int) -> int:
    """Delete entries that are older than `days`; none where that is 0. Returns how many."""
    if days <= 0:
        return 0
    old = AuditEntry.objects.older_than(days=days).order_by().values_list("pk", flat=True)
    deleted = 0
    while some := list(old[:BATCH]):
        with transaction.atomic():
            deleted += AuditEntry.objects.filter(pk__in=some).delete()[0]
    return deleted


def kind_of(model: type[Model]) -> str:
    """What the log calls rows of `model`."""
    return model._meta.label_lower


def _name(user: User | None) -> str:
    return "" if user is None else user.get_username()[:MAX_NAME]


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while some := list(islice(left, BATCH)):
        yield some
