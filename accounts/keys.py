"""API keys: making, finding, and revoking them."""

import hashlib
import hmac
import logging
import secrets
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import Error as DatabaseFailed
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import APIKey, User
from accounts.scopes import Scope
from audit.models import Action
from audit.services import Actor, forget_names, record
from opengpts.errors import Conflict, NotFound, Unauthenticated
from opengpts.outage import Outage

logger = logging.getLogger(__name__)

# By this people and programs that look for leaked secrets recognise one.
KEY_START = "ogpt_"
# Bytes.
PREFIX, SECRET = 6, 32
# How exactly it is known when a key was used last: to write it down costs a transaction.
USE_NOTED_EVERY = timedelta(minutes=1)

_unwritable = Outage(
    logger,
    begun="when API keys were used cannot be written down",
    over="when API keys were used can be written down again",
)


def create_api_key(
    *,
    owner: User,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    at_most: int | None = None,
    by: Actor | None = None,
) -> tuple[APIKey, str]:
    """A new key of `owner`'s, and what they send: nobody is ever told that again.

    Raises `Conflict` where they have `at_most` in use. Of those that are not in use any more, as many are kept.
    """
    prefix = secrets.token_hex(PREFIX)
    token = f"{KEY_START}{prefix}_{secrets.token_urlsafe(SECRET)}"
    with transaction.atomic():
        # Or two requests at once could both find room for the last.
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)
        if at_most is not None:
            _make_room(owner, at_most)
        key = APIKey.objects.create(
            owner=owner,
            name=name,
            prefix=prefix,
            digest=_digest(token),
            can_read=Scope.READ in scopes,
            can_run=Scope.RUN in scopes,
            can_manage=Scope.MANAGE in scopes,
            expires_at=expires_at,
        )
        record(action=Action.KEY_CREATED, target=key, owner=owner, by=by)
    return key, token


def _make_room(owner: User, at_most: int) -> None:
    mine = APIKey.objects.owned_by(owner)
    in_use = mine.in_use()
    if in_use.count() >= at_most:
        raise Conflict(f"A user may have {at_most} API keys (API_KEYS_PER_USER). Revoke one first.")
    over = mine.exclude(pk__in=in_use.values("pk")).values_list("pk", flat=True)[at_most:]
    if too_many := list(over):
        mine.filter(pk__in=too_many).delete()
        forget_names(APIKey, too_many)


def find_api_key(*, token: str) -> APIKey:
    """The key that somebody sends, with its owner: one query. Notes that it was used.

    Raises `Unauthenticated` for one that is none, has expired, was revoked, or whose owner was shut out.
    """
    prefix = token.removeprefix(KEY_START).partition("_")[0]
    # No NUL: it would be an error in PostgreSQL.
    found = APIKey.objects.select_related("owner").filter(prefix=prefix).first() if prefix.isalnum() else None
    # Hashed and compared also where there is none, so that the time says nothing of which prefixes there are.
    is_right = hmac.compare_digest(_digest(token), found.digest if found else "0" * 64)
    if found is None or not is_right:
        raise Unauthenticated("This API key is not valid.", refused=True)
    now = timezone.now()
    if found.revoked_at is not None:
        raise Unauthenticated("This API key was revoked.", refused=True)
    if found.is_expired(now):
        raise Unauthenticated("This API key has expired.", refused=True)
    if not found.owner.is_active:
        raise Unauthenticated("The owner of this API key was shut out.", refused=True)
    _note_use(found, now)
    return found


def revoke_api_key(*, owner: User, key_id: uuid.UUID, by: Actor | None = None) -> None:
    """End `owner`'s key for good: it stays listed as revoked. Raises `NotFound` where it is none of theirs."""
    mine = APIKey.objects.owned_by(owner).filter(pk=key_id)
    with transaction.atomic():
        if mine.filter(revoked_at=None).update(revoked_at=timezone.now()):
            record(action=Action.KEY_REVOKED, target=mine.get(), owner=owner, by=by)
        elif not mine.exists():
            raise NotFound("API key not found")


def _note_use(key: APIKey, now: datetime) -> None:
    """Write down that it was used, unless that stands there already. A database that cannot write fails nobody."""
    before = now - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > before:
        return
    unnoted = Q(last_used_at=None) | Q(last_used_at__lte=before)
    try:
        with transaction.atomic():
            APIKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
    except DatabaseFailed as exc:
        _unwritable.met(exc)
    else:
        _unwritable.over()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
