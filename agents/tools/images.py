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
# How the data of each type begins, by how its files are called. None that a browser would run: no SVG, no HTML.
_TYPES = {
    "jpg": (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    "png": (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    "webp": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
}
_NAME = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)", re.ASCII)


def keep_image(data: bytes, store: Callable[[str, bytes], None]) -> str | None:
    """Have an image stored under a new name and return its address; None for data that is no JPEG, PNG or WebP. Blocks.

    `store` is that of the run's context: see `agents.retrieval.RunContext`.
    """
    ending = next((ending for ending, (start, _) in _TYPES.items() if start.match(data)), None)
    if ending is None:
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
    """The image of that file name and its content type; None where there is none, or another kind of file. Blocks."""
    if not (known := _NAME.fullmatch(name)):
        return None
    start, content_type = _TYPES[known[1]]
    try:
        with default_storage.open(f"{FOLDER}/{name}") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    return (data, content_type) if start.match(data) else None
