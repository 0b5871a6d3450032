"""Writing what a server has of a user into a zip file."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.models import Action
from audit.services import Actor, record
from opengpts.errors import Conflict
from personal_data.parts import PARTS, Part

_README = """\
What this server has of the user {user}, exported on {now}.

Files of JSON, each a list:

{parts}

The id of a message's thread, a run's assistant, and so on, leads from one file to the other. Times are in UTC.
Passwords, keys and other secrets are not in here, and neither are numbers that were computed from your texts to search
them. What tools and model providers have of you, only they can tell.
"""


def export_person(*, user: User, path: Path, by: Actor) -> None:
    """Write all of a user's data to a new file that only whoever runs this may read, and write down that it was done.

    Takes as much memory for much data as for little. Raises `Conflict` where the file exists. Where anything fails,
    there is no file afterwards.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise Conflict(f"{path} exists already. Name another file.") from exc
    try:
        with os.fdopen(file, "wb") as opened:
            with ZipFile(opened, "w", ZIP_DEFLATED, allowZip64=True) as archive:
                _write(archive, user)
            opened.flush()
            os.fsync(opened.fileno())
        with transaction.atomic():
            record(action=Action.EXPORTED, target=user, owner=user, by=by)
    except BaseException:
        with suppress(FileNotFoundError):
            path.unlink()
        raise


def _write(archive: ZipFile, user: User) -> None:
    archive.writestr("README.txt", _readme(user))
    for part in PARTS:
        if isinstance(part, Part):
            _write_list(archive, part.name, part.rows(user))
            continue
        for name, pieces in part.files(user):
            with archive.open(f"{part.name}/{name}", "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)


def _write_list(archive: ZipFile, name: str, rows: Iterator[dict[str, Any]]) -> None:
    with archive.open(name, "w", force_zip64=True) as file:
        file.write(b"[")
        between = b"\n"
        for row in rows:
            # What cannot be UTF-8 (half of a surrogate pair) becomes what JSON writes for it.
            file.write(
                between + json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False).encode("utf-8", "backslashreplace")
            )
            between = b",\n"
        file.write(b"\n]\n")


def _readme(user: User) -> str:
    parts = "\n".join(f"{part.name:<16} {part.about}" for part in PARTS)
    return _README.format(user=user.username, now=f"{timezone.now():%Y-%m-%d %H:%M} UTC", parts=parts)
