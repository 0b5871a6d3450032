"""Uploaded files, from the bytes of a multipart body."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Self

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.http import parse_header_parameters

from knowledge.models import MAX_NAME
from opengpts.bodies import MAX_SHOWN
from opengpts.errors import BadRequest, Invalid, TooLarge
from opengpts.request_body import MAX_IN_MEMORY

FIELD = "files"
# Characters after the last dot of a name that may say what kind of file it is.
_MAX_ENDING = 10
# Bytes at the end of a form in which its last boundary must stand. What comes after it means nothing.
_END = 1024
# Bytes of a file that are handled at once.
PIECE = 1024 * 1024


def _new_file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)


@dataclass(slots=True)
class UploadedFile:
    """One uploaded file. `name` has no path, and nothing that cannot be printed. Its bytes are in memory or on disk."""

    name: str
    size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)
    _bytes: IO[bytes] = field(default_factory=_new_file)

    def write(self, data: bytes) -> None:
        """Add bytes. Raises `TooLarge` when they are too many."""
        self.size += len(data)
        if self.size > settings.INGEST_MAX_FILE_BYTES:
            raise TooLarge(
                f"{self.name} is larger than this server takes: {settings.INGEST_MAX_FILE_BYTES} bytes "
                "(INGEST_MAX_FILE_BYTES)."
            )
        self._hash.update(data)
        self._bytes.write(data)

    @property
    def sha256(self) -> str:
        """Of its bytes so far, in hex."""
        digest: str = self._hash.hexdigest()
        return digest

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, in pieces of 1 MB at most."""
        self._bytes.seek(0)
        while piece := self._bytes.read(PIECE):
            yield piece

    def close(self) -> None:
        self._bytes.close()


@dataclass(slots=True)
class Upload:
    """What a multipart body held: its files, and the texts beside them, by name (the last of each).

    A context manager, which closes the files.
    """

    files: list[UploadedFile] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for file in self.files:
            file.close()


class _Receiver(FileUploadHandler):
    """Django's parser hands it the files, piece by piece. Each is kept once, and only those of the right field."""

    def __init__(self, files: list[UploadedFile]) -> None:
        super().__init__()
        self.files = files

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name == FIELD:
            self.files.append(UploadedFile(shortened(file_name)))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.field_name == FIELD:
            self.files[-1].write(raw_data)

    def file_complete(self, file_size: int) -> None:
        """Required by Django. The file is in `files` already."""


def shortened(name: str) -> str:
    """A file's name, short enough to store: its ending stays, for it says what kind of file it is."""
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > _MAX_ENDING:
        return name[:MAX_NAME]
    return stem[: MAX_NAME - len(dot + ending)] + dot + ending


class _Watched:
    """A body that remembers the end of what was read from it."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.end = b""

    def read(self, size: int) -> bytes:
        data: bytes = self._body.read(size)
        self.end = (self.end + data)[-_END:]
        return data


def is_multipart(request: HttpRequest) -> bool:
    return request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == "multipart/form-data"


def read_upload(request: HttpRequest, body: Any) -> Upload:
    """The files and texts of a request, whose body is the file `body`. A body that is not multipart holds none.

    Raises `BadRequest` for one that cannot be parsed or is cut short, `TooLarge` for too many files or too large ones.
    """
    upload = Upload()
    if not is_multipart(request):
        return upload
    # Where the length is not said beforehand, Django's parser would read nothing.
    headers = {**request.META, "CONTENT_LENGTH": request.META.get("CONTENT_LENGTH") or 1}
    watched: Any = _Watched(body)
    try:
        texts, _ = MultiPartParser(headers, watched, [_Receiver(upload.files)], encoding="utf-8").parse()
        if watched.end and _last_boundary(request) not in watched.end:
            raise BadRequest("The form is cut short: its last boundary is missing")
    except BaseException as exc:
        with upload:
            raise _explained(exc) from exc
    upload.texts.update((name, str(texts[name])) for name in texts)
    return upload


def _last_boundary(request: HttpRequest) -> bytes:
    _, parameters = parse_header_parameters(request.META["CONTENT_TYPE"])
    return f"--{parameters['boundary']}--".encode("latin-1")


def _explained(exc: BaseException) -> BaseException:
    if isinstance(exc, MultiPartParserError):
        return BadRequest("There was an error parsing the body")
    if isinstance(exc, TooManyFilesSent):
        return TooLarge(f"More files than this server takes at once: {settings.INGEST_MAX_FILES} (INGEST_MAX_FILES).")
    if isinstance(exc, TooManyFieldsSent):
        return TooLarge("The form has more fields than this server takes.")
    return exc


def complaints_about(upload: Upload) -> list[dict[str, Any]]:
    """What is wrong with the files of an upload: there are none, or there is a text in their place."""
    loc = ["body", FIELD]
    if upload.files:
        return []
    if FIELD in upload.texts:
        msg = "Input should be a file: a part with a filename"
        return [{"type": "file_type", "loc": [*loc, 0], "msg": msg, "input": upload.texts[FIELD][:MAX_SHOWN]}]
    return [{"type": "missing", "loc": loc, "msg": "Field required", "input": None}]


def require_files(upload: Upload) -> list[UploadedFile]:
    """The files of an upload, one at least. Raises `Invalid`."""
    if found := complaints_about(upload):
        raise Invalid(found)
    return upload.files
