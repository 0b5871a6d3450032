"""The images that tools made in threads. A file goes when its thread does."""

import logging
import uuid

from agents.tools.images import delete_image, store_image
from opengpts.lookup import referring_to
from threads.models import Image
from threads.rows import UnknownThread

logger = logging.getLogger(__name__)

# Files that are deleted between two looks at what else there is.
BATCH = 100


def keep_in_thread(thread_id: uuid.UUID, name: str, data: bytes) -> None:
    """Store an image that was made in a thread. Raises `NotFound` where that is gone; nothing is stored then.

    The row comes first: there is no moment at which a process that dies leaves a file behind of which nobody knows.
    """
    with referring_to("Thread"):
        image = Image.objects.create(thread_id=thread_id, name=name)
    store_image(name, data)
    if not Image.objects.filter(pk=image.pk, thread__isnull=False).exists():
        # Deleted meanwhile, and perhaps looked for before the file was there.
        delete_image(name)
        raise UnknownThread


def delete_images_of_none() -> int:
    """Delete the files of images whose threads are gone, and then their rows. Returns how many.

    A file that cannot be deleted now keeps its row: it is tried again with the next call.
    """
    deleted, failed = 0, 0
    waiting = Image.objects.filter(thread__isnull=True).order_by("pk")
    while images := list(waiting[failed : failed + BATCH]):
        gone = []
        for image in images:
            try:
                delete_image(image.name)
                gone.append(image.pk)
            except Exception:  # whatever the storage raises, the others are to go as well
                logger.exception("the image %s of a deleted thread cannot be deleted; trying again", image.name)
                failed += 1
        deleted += Image.objects.filter(pk__in=gone).delete()[0]
    return deleted
