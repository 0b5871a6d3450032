from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_delete


class RunsConfig(AppConfig):
    name = "runs"

    def ready(self) -> None:
        from threads.models import Thread

        post_delete.connect(_tell_deleted, sender=Thread)


def _tell_deleted(instance: Any, **_: Any) -> None:
    """A thread was deleted, by whomever: with its user, say."""
    from runs.signals import signals
    from threads.images import delete_images_of_none

    # The row has none when that is committed.
    thread_id = instance.pk
    transaction.on_commit(lambda: signals.thread_deleted(thread_id))
    # Where that fails, `personal_data.upkeep` does it before long.
    transaction.on_commit(delete_images_of_none, robust=True)
