"""`manage.py export_user`: everything, no secrets, a file for one pair of eyes; or no file."""

import json
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from agents.tools.images import FOLDER
from assistants.models import Assistant
from audit.models import AuditEntry
from audit.services import BY_COMMAND
from personal_data import export
from personal_data.export import export_person
from personal_data.parts import PARTS, Part
from tests.client import APIClient
from tests.fakes.tool_services import JPEG
from tests.integration.personal_data.marked import MARKER, make_marked
from threads.models import Message, Thread

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "sk-a-secret-of-alice"


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alice.zip"


def read(path: Path) -> dict[str, Any]:
    """The files of an export by name, those of JSON decoded."""
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}


def test_everything_there_is(path: Path) -> None:
    marked = make_marked()
    bob = APIClient("bob")
    bob.make_thread(marked.assistant, name="bob's")
    call_command("export_user", "alice", "--output", str(path))
    files = read(path)
    numbers = {name: len(rows) for name, rows in files.items() if name.endswith(".json")}
    assert numbers == {
        "profile.json": 1,
        "api_keys.json": 0,
        "quota.json": 0,
        "use.json": 1,
        "assistants.json": 1,
        "threads.json": 1,
        "messages.json": 2,
        "states.json": 2,
        "runs.json": 1,
        "schedules.json": 1,
        "documents.json": 4,
        "chunks.json": 2,
        "images.json": 1,
        "audit.json": AuditEntry.objects.filter(owner=marked.user).count() - 1,
    }
    assert files["profile.json"][0]["username"] == "alice"
    assert [row["data"]["content"] for row in files["messages.json"]] == [f"{MARKER} message", f"{MARKER} answer"]
    assert files["messages.json"][0]["thread_id"] == marked.thread
    assert files["chunks.json"][0]["document_id"] in marked.documents
    originals = {name: data for name, data in files.items() if name.startswith("documents/")}
    assert set(originals.values()) == {f"{MARKER} not read yet".encode()}
    assert len(originals) == 2
    assert files[f"images/{files['images.json'][0]['name']}"] == JPEG + MARKER.encode()
    assert {row["by"] for row in files["audit.json"]} == {"you"}
    assert "bob" not in str(files)
    for part in PARTS:
        assert part.name in files["README.txt"].decode()
    entry = AuditEntry.objects.get(action="exported")
    assert (entry.owner, entry.way) == (marked.user, "command")


def test_no_secrets(path: Path) -> None:
    alice = APIClient("alice")
    tools = [{"type": "mcp", "config": {"url": "https://mcp.example/", "headers": {"Authorization": SECRET}}}]
    config = {"configurable": {"type==agent/tools": tools}}
    thread = alice.make_thread(alice.make_assistant(config=config))
    alice("POST", "/runs", {"thread_id": thread, "input": [], "config": config})
    schedule = {"thread_id": thread, "cron": "0 9 * * *", "input": [], "config": config}
    assert alice("POST", "/schedules", schedule).status_code == 200
    user = User.objects.get(username="alice")
    user.set_password(SECRET)
    user.save()
    export_person(user=user, path=path, by=BY_COMMAND)
    files = read(path)
    assert SECRET not in str(files)
    assert user.password not in str(files)
    assert [
        files[f"{kind}.json"][0]["config"]["configurable"]["type==agent/tools"][0]["type"]
        for kind in ("assistants", "runs", "schedules")
    ] == ["mcp"] * 3


def test_only_who_runs_it_may_read_it(path: Path) -> None:
    APIClient("alice").make_thread()
    call_command("export_user", "alice", "--output", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_user", "alice", "--output", str(path))
    assert path.read_bytes() == before
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_user", "alice", "--output", str(path / "no" / "folder.zip"))
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("export_user", "nobody")


def test_the_file_has_a_name_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("../a b", "\u65e5\u672c"):
        User.objects.create(username=name)
        call_command("export_user", name)
    found = sorted(file.name for file in tmp_path.glob("*.zip"))
    assert len(found) == 2
    assert found[0].startswith("a-b-")
    assert found[1].startswith("user-")


@pytest.mark.parametrize("error", [RuntimeError("no more"), KeyboardInterrupt()])
def test_what_fails_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    APIClient("alice").make_thread()

    def rows(user: User) -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise error

    monkeypatch.setattr(export, "PARTS", (*PARTS, Part("more.json", "more", rows)))
    with pytest.raises(type(error)):
        call_command("export_user", "alice", "--output", str(path))
    assert not path.exists()
    assert not AuditEntry.objects.filter(action="exported").exists()


def test_what_is_not_written_down_is_not_exported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.create(username="alice")

    def fail(**_: Any) -> None:
        raise RuntimeError("the audit log cannot be written")

    monkeypatch.setattr(export, "record", fail)
    with pytest.raises(RuntimeError):
        export_person(user=user, path=path, by=BY_COMMAND)
    assert not path.exists()


def test_texts_that_are_no_utf8_and_no_rows(path: Path) -> None:
    user = User.objects.create(username="alice")
    Assistant.objects.create(owner=user, name="a", config={"text": "half \ud800, NUL \x00, \u65e5"})
    export_person(user=user, path=path, by=BY_COMMAND)
    files = read(path)
    assert files["assistants.json"][0]["config"] == {"text": "half \ud800, NUL \x00, \u65e5"}
    assert files["threads.json"] == []


def test_an_image_whose_file_is_gone(path: Path, settings: Any) -> None:
    marked = make_marked()
    for file in (Path(settings.MEDIA_ROOT) / FOLDER).iterdir():
        file.unlink()
    export_person(user=marked.user, path=path, by=BY_COMMAND)
    files = read(path)
    assert len(files["images.json"]) == 1
    assert not [name for name in files if name.startswith("images/")]


def test_much_takes_no_more_memory_than_little(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        user = User.objects.create(username=f"user-{number}")
        thread = Thread.objects.create(owner=user)
        data = json.dumps({"type": "human", "content": "x" * 2000})
        Message.objects.bulk_create(
            Message(thread=thread, position=position, type="human", data=data) for position in range(number)
        )
        tracemalloc.start()
        try:
            export_person(user=user, path=tmp_path / f"{number}.zip", by=BY_COMMAND)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is made once
    small, large = peak(1_000), peak(10_000)
    assert large < small + 4_000_000 < 20_000_000
