"""Images that tools made: kept in Django's default storage, and reached by an address that nobody can guess.

An address goes into the conversation in place of the image: a model pays for every character of base64, and each
event of a stream would carry it again. Whoever knows the address sees the image, as with OpenAI's own addresses. Who
stores it says how long it stays: that of a run goes with its thread.
"""

import re
import secrets
from collections.abc import Callable

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

FOLDER = "images"
# How the data of each type begins, and what its files are called.
_TYPES = {
    b"\xff\xd8\xff": ("jpg", "image/jpeg"),
    b"\x89PNG\r\n\x1a\n": ("png", "image/png"),
    b"RIFF": ("webp", "image/webp"),
}
_NAME = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)", re.ASCII)


def keep_image(data: bytes, store: Callable[[str, bytes], None]) -> str | None:
    """Have an image stored under a new name and return its address; None for data that is no JPEG, PNG or WebP. Blocks.

    `store` is that of the run's context: see `agents.retrieval.RunContext`.
    """
    ending = next((ending for start, (ending, _) in _TYPES.items() if data.startswith(start)), None)
    if ending is None or (ending == "webp" and data[8:12] != b"WEBP"):
        return None
    name = f"{secrets.token_hex(16)}.{ending}"
    store(name, data)
    return default_storage.url(f"{FOLDER}/{name}")


def store_image(name: str, data: bytes) -> None:
    """Store the file of an image, and nothing beside. Blocks."""
    default_storage.save(f"{FOLDER}/{name}", ContentFile(data))


def delete_image(name: str) -> None:
    """Delete the file of an image, if there is one. Blocks."""
    default_storage.delete(f"{FOLDER}/{name}")


def read_image(name: str) -> tuple[bytes, str] | None:
    """The image of that file name and its content type; None where there is none. Blocks."""
    if not _NAME.fullmatch(name):
        return None
    content_type = next(content_type for ending, content_type in _TYPES.values() if name.endswith(ending))
    try:
        with default_storage.open(f"{FOLDER}/{name}") as file:
            return file.read(), content_type
    except FileNotFoundError:
        return None
