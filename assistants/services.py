"""Writing assistants."""

import uuid
from typing import Any

from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from opengpts.ownership import put_owned


def create_assistant(*, owner: User, name: str, config: dict[str, Any], public: bool) -> Assistant:
    """A new assistant of `owner`'s."""
    return Assistant.objects.create(owner=owner, name=name, config=config, public=public)


def put_assistant(
    *, owner: User, assistant_id: uuid.UUID, name: str, config: dict[str, Any], public: bool
) -> Assistant:
    """`owner`'s assistant under that id, replaced or made.

    Raises `NotFound` where the id is somebody else's, public or not: nothing tells the two apart.
    """
    return put_owned(
        Assistant.objects.owned_by(owner),
        assistant_id,
        missing="Assistant not found",
        owner=owner,
        name=name,
        config=config,
        public=public,
        updated_at=timezone.now(),
    )


def delete_assistant(*, owner: User, assistant_id: uuid.UUID) -> None:
    """Delete `owner`'s assistant; its threads stay. Deleting what is not there, or not theirs, changes nothing."""
    Assistant.objects.owned_by(owner).filter(pk=assistant_id).delete()
