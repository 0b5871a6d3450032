"""Images that tools make in a thread go when it does, whoever deletes it."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from agents.tools.images import keep_image, store_image
from opengpts.errors import NotFound
from tests.client import APIClient
from tests.fakes.tool_services import JPEG
from threads import images
from threads.images import delete_images_of_none, keep_in_thread
from threads.models import Image, Thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "images"


def make(thread: str) -> str:
    """The address of a new image in a thread."""
    address = keep_image(JPEG, lambda name, data: keep_in_thread(uuid.UUID(thread), name, data))
    assert address
    return address


def test_it_is_shown_as_long_as_its_thread_is_there(folder: Path) -> None:
    alice = APIClient("alice")
    kept, gone = alice.make_thread(), alice.make_thread()
    shown, deleted = make(kept), make(gone)
    alice("DELETE", f"/threads/{gone}")
    nobody = APIClient(None)
    assert (nobody("GET", shown).status_code, nobody("GET", deleted).status_code) == (200, 404)
    assert [file.name for file in folder.iterdir()] == [Image.objects.get().name]


@pytest.mark.parametrize("way", ["queryset", "user"])
def test_whoever_deletes_the_thread(folder: Path, way: str) -> None:
    alice = APIClient("alice")
    for _ in range(2):
        make(alice.make_thread())
    (Thread if way == "queryset" else User).objects.all().delete()
    assert not list(folder.iterdir())
    assert not Image.objects.exists()


def test_nothing_is_stored_for_a_thread_that_is_gone(folder: Path) -> None:
    with pytest.raises(NotFound):
        make(str(uuid.uuid4()))
    assert not folder.exists()


def test_nothing_stays_of_a_thread_that_is_deleted_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = APIClient("alice").make_thread()

    def store(name: str, data: bytes) -> None:
        Thread.objects.all().delete()
        store_image(name, data)

    monkeypatch.setattr(images, "store_image", store)
    with pytest.raises(NotFound):
        make(thread)
    assert not list(folder.iterdir())
    assert not Image.objects.exists()


def test_what_cannot_be_deleted_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = APIClient("alice")
    for _ in range(3):
        make(alice.make_thread())
    with monkeypatch.context() as patch:
        stubborn = Image.objects.earliest("pk").name

        def delete(name: str) -> None:
            if name == stubborn:
                raise PermissionError(name)
            (folder / name).unlink()

        patch.setattr(images, "delete_image", delete)
        Thread.objects.all().delete()
        assert [file.name for file in folder.iterdir()] == [stubborn]
    assert Image.objects.get().name == stubborn
    assert delete_images_of_none() == 1
    assert not list(folder.iterdir())
    # As a process that died between the file and the row leaves it.
    Image.objects.create(thread=None, name="0" * 32 + ".jpg")
    assert delete_images_of_none() == 1
