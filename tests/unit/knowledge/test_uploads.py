"""Uploads have limits, and hold on to nothing that is not a file of theirs."""

import hashlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from knowledge.uploads import read_upload, shortened
from opengpts.errors import TooLarge

pytestmark = pytest.mark.once


def request_with(**fields: Any) -> HttpRequest:
    return RequestFactory().post("/ingest", fields)


def test_files_come_with_their_bytes_and_their_hash() -> None:
    data = b"0123456789" * 300_000
    request = request_with(files=[SimpleUploadedFile("a.txt", data), SimpleUploadedFile("b.txt", b"b")], config="{}")
    with read_upload(request, request) as upload:
        assert [(file.name, file.size) for file in upload.files] == [("a.txt", len(data)), ("b.txt", 1)]
        assert b"".join(upload.files[0].pieces()) == data
        assert upload.files[0].sha256 == hashlib.sha256(data).hexdigest()
        assert upload.texts == {"config": "{}"}


def test_a_file_of_another_field_is_not_kept() -> None:
    request = request_with(avatar=SimpleUploadedFile("a.png", b"x" * 100))
    with read_upload(request, request) as upload:
        assert upload.files == []


def test_a_file_that_is_too_large_is_refused_before_its_end(settings: Settings) -> None:
    settings.INGEST_MAX_FILE_BYTES = 100_000
    request = request_with(files=SimpleUploadedFile("a.txt", b"x" * 10_000_000))
    with pytest.raises(TooLarge, match=r"a\.txt is larger than this server takes: 100000 bytes"):
        read_upload(request, request)
    assert len(request.read()) > 9_000_000


def test_too_many_files_are_refused(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    request = request_with(files=[SimpleUploadedFile(f"{number}.txt", b"x") for number in range(3)])
    with pytest.raises(TooLarge, match="More files"):
        read_upload(request, request)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a.pdf", "a.pdf"),
        ("n" * 300 + ".pdf", "n" * 251 + ".pdf"),
        ("n" * 300, "n" * 255),
        ("." + "n" * 300, "." + "n" * 254),
        ("a." + "e" * 300, "a." + "e" * 253),
    ],
)
def test_a_long_name_keeps_its_ending(name: str, short: str) -> None:
    assert len(shortened(name)) <= 255
    assert shortened(name) == short
