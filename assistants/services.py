"""Writing assistants."""

import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assistants.config_checking import check_and_seal
from assistants.models import Assistant
from audit.services import record_deletion, record_put
from opengpts.ownership import put_owned, refuse_beyond


def create_assistant(*, owner: User, name: str, config: dict[str, Any], public: bool) -> Assistant:
    """A new assistant of `owner`'s.

    Raises `Invalid` for a config that could not be run, `Conflict` for one assistant too many.
    """
    sealed = check_and_seal(config, "body", "config", owner=owner)
    with transaction.atomic():
        refuse_beyond(settings.ASSISTANTS_PER_USER, Assistant.objects.owned_by(owner), owner=owner)
        assistant = Assistant.objects.create(
            owner=owner, name=name, config=sealed.config, secrets=sealed.secrets, public=public
        )
        record_put(target=assistant, owner=owner, made=True, changed=())
    return assistant


def put_assistant(
    *, owner: User, assistant_id: uuid.UUID, name: str, config: dict[str, Any], public: bool
) -> Assistant:
    """`owner`'s assistant under that id, replaced or made.

    Raises `NotFound` where the id is somebody else's, public or not: nothing tells the two apart; `Invalid` for a
    config that could not be run; `Conflict` for one assistant too many. Where the config has `***` for a secret, the
    stored one is kept.
    """
    mine = Assistant.objects.owned_by(owner)
    with transaction.atomic():
        # Locked, or a secret that is replaced meanwhile could come back.
        before = mine.select_for_update(no_key=True).filter(pk=assistant_id).first()
        sealed = check_and_seal(config, "body", "config", owner=owner, stored=[before.sealed] if before else [])
        fields = {"name": name, "config": sealed.config, "secrets": sealed.secrets, "public": public}
        assistant, made = put_owned(
            mine,
            assistant_id,
            owner=owner,
            most=settings.ASSISTANTS_PER_USER,
            missing="Assistant not found",
            updated_at=timezone.now(),
            **fields,
        )
        # A row that another request has made since is as good as one that differs in all.
        changed = [key for key, value in fields.items() if before is None or getattr(before, key) != value]
        record_put(target=assistant, owner=owner, made=made, changed=changed)
    return assistant


def delete_assistant(*, owner: User, assistant_id: uuid.UUID) -> None:
    """Delete `owner`'s assistant; its threads stay. Deleting what is not there, or not theirs, changes nothing."""
    with transaction.atomic():
        mine = Assistant.objects.owned_by(owner).filter(pk=assistant_id)
        # Before its rows: a file that is being added to it is there by then, or finds it gone.
        if (assistant := mine.select_for_update().first()) is not None:
            record_deletion(target=assistant, owner=owner)
            mine.delete()
