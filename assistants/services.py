"""Writing assistants."""

import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assistants.config_checking import check_config
from assistants.models import Assistant
from opengpts.ownership import put_owned, refuse_beyond


def create_assistant(*, owner: User, name: str, config: dict[str, Any], public: bool) -> Assistant:
    """A new assistant of `owner`'s.

    Raises `Invalid` for a config that could not be run, `Conflict` for one assistant too many.
    """
    check_config(config, "body", "config")
    with transaction.atomic():
        refuse_beyond(settings.ASSISTANTS_PER_USER, Assistant.objects.owned_by(owner), owner=owner)
        return Assistant.objects.create(owner=owner, name=name, config=config, public=public)


def put_assistant(
    *, owner: User, assistant_id: uuid.UUID, name: str, config: dict[str, Any], public: bool
) -> Assistant:
    """`owner`'s assistant under that id, replaced or made.

    Raises `NotFound` where the id is somebody else's, public or not: nothing tells the two apart; `Invalid` for a
    config that could not be run; `Conflict` for one assistant too many.
    """
    check_config(config, "body", "config")
    return put_owned(
        Assistant.objects.owned_by(owner),
        assistant_id,
        owner=owner,
        most=settings.ASSISTANTS_PER_USER,
        missing="Assistant not found",
        name=name,
        config=config,
        public=public,
        updated_at=timezone.now(),
    )


def delete_assistant(*, owner: User, assistant_id: uuid.UUID) -> None:
    """Delete `owner`'s assistant; its threads stay. Deleting what is not there, or not theirs, changes nothing."""
    with transaction.atomic():
        mine = Assistant.objects.owned_by(owner).filter(pk=assistant_id)
        # Before its rows: a file that is being added to it is there by then, or finds it gone.
        if mine.select_for_update().values_list("pk").first():
            mine.delete()
