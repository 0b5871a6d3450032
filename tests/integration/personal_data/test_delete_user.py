"""`manage.py delete_user`: asks, refuses, goes on after a crash; and the same in the admin."""

import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from assistants.models import Assistant
from audit.models import AuditEntry
from audit.services import BY_COMMAND, forget_names
from opengpts.errors import Conflict
from personal_data import admin, deletion
from personal_data.deletion import deactivate, delete_person
from personal_data.ending import end_runs
from runs.models import Run, RunStatus
from tests.client import APIClient
from tests.integration.personal_data.marked import log_in, make_marked
from threads.models import Message, Thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="secret")


def make_talker(name: str = "alice", *, threads: int = 1) -> User:
    """A user with threads of a message each."""
    client = APIClient(name)
    assistant = client.make_assistant()
    for _ in range(threads):
        thread = client.make_thread(assistant)
        client("POST", f"/threads/{thread}/state", {"values": [{"role": "user", "content": "hello"}]})
    return User.objects.get(username=name)


@pytest.mark.parametrize(("typed", "is_gone"), [("alice", True), ("bob", False), ("yes", False), ("", False)])
def test_it_asks(monkeypatch: pytest.MonkeyPatch, capsys: Any, typed: str, is_gone: bool) -> None:
    make_talker()
    monkeypatch.setattr("builtins.input", lambda _: typed)
    if is_gone:
        call_command("delete_user", "alice")
    else:
        with pytest.raises(CommandError, match="Nothing was deleted"):
            call_command("delete_user", "alice")
    assert User.objects.filter(username="alice", is_active=True).exists() is not is_gone
    assert "alice has 1 assistants, 1 threads, 1 messages" in capsys.readouterr().out


def test_without_anybody_to_ask_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make_talker()

    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(CommandError, match="--yes"):
        call_command("delete_user", "alice")
    assert User.objects.get(username="alice").is_active


def test_who_is_not_there() -> None:
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("delete_user", "nobody", "--yes")


def test_the_last_superuser_stays(root: User) -> None:
    User.objects.create_superuser("gone", password="secret", is_active=False)
    with pytest.raises(CommandError, match="last superuser"):
        call_command("delete_user", "root", "--yes")
    address = f"/admin/accounts/user/{root.pk}/delete/"
    staff = log_in(root)
    assert "last superuser" in staff.get(address).content.decode()
    staff.post(address, {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": root.pk, "post": "yes"}
    staff.post("/admin/accounts/user/", chosen)
    root.refresh_from_db()
    assert root.is_active
    User.objects.create_superuser("other", password="secret")
    call_command("delete_user", "root", "--yes")
    assert not User.objects.filter(username="root").exists()


def test_of_two_superusers_that_are_chosen_one_stays(root: User) -> None:
    other = User.objects.create_superuser("other", password="secret")
    chosen = {"action": "delete_selected", "_selected_action": [root.pk, other.pk], "post": "yes"}
    page = log_in(root).post("/admin/accounts/user/", chosen, follow=True)
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
    assert page.status_code == 200


@pytest.mark.parametrize("fatal", range(12))
def test_broken_off_anywhere_it_goes_on(monkeypatch: pytest.MonkeyPatch, fatal: int) -> None:
    """It dies at its nth transaction; then it is called again."""
    marked = make_marked()
    left = fatal

    def die(*args: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        forget_names(*args)

    with monkeypatch.context() as patch:
        patch.setattr(deletion, "forget_names", die)
        try:
            call_command("delete_user", "alice", "--yes")
        except KeyboardInterrupt:
            assert not User.objects.get(username="alice").is_active
    if User.objects.filter(username="alice").exists():
        assert APIClient("alice")("GET", "/threads").status_code == 401
        call_command("delete_user", "alice", "--yes")
    for model in (Assistant, Thread, Message, Run):
        assert not model.objects.exists()
    entries = AuditEntry.objects.filter(kind="accounts.user", target_id=str(marked.user.pk))
    assert sorted(entries.values_list("action", flat=True)) == ["deactivated", "deleted"]


def test_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "TOGETHER"):
        monkeypatch.setattr(deletion, name, 2)
    make_talker(threads=5)
    make_talker("bob")
    call_command("delete_user", "alice", "--yes")
    assert Thread.objects.get().owner.username == "bob"
    assert Message.objects.count() == 1


def test_runs_are_waited_for() -> None:
    user = make_talker()
    thread = Thread.objects.get()
    waiting = Run.objects.create(thread=thread, owner=user)
    going_on = Run.objects.create(
        thread=thread, owner=user, status="running", worker="elsewhere:1:x", heartbeat_at=timezone.now()
    )

    def end() -> None:
        while not Run.objects.filter(pk=going_on.pk, cancel_action="interrupt").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        Run.objects.filter(pk=going_on.pk).update(status="error")
        connection.close()

    process = threading.Thread(target=end)
    process.start()
    started = time.monotonic()
    assert end_runs(user=user, wait=30) == 2
    assert 0.5 <= time.monotonic() - started < 20
    process.join()
    assert Run.objects.get(pk=waiting.pk).status == RunStatus.CANCELLED
    # What its process has said last stays.
    assert Run.objects.get(pk=going_on.pk).status == RunStatus.ERROR


@pytest.mark.parametrize("worker", ["elsewhere:1:x", "dead"])
def test_runs_that_do_not_end_are_taken_from_their_process(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_talker()
    monkeypatch.setattr("personal_data.ending.is_dead", lambda name: name == "dead")
    run = Run.objects.create(
        thread=Thread.objects.get(), owner=user, status="running", worker=worker, heartbeat_at=timezone.now()
    )
    started = time.monotonic()
    end_runs(user=user, wait=0.5)
    assert (time.monotonic() - started >= 0.5) is (worker != "dead")
    run.refresh_from_db()
    assert (run.status, run.worker) == (RunStatus.CANCELLED, "")


def test_a_user_with_too_much_for_a_page(root: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "AT_MOST", 2)
    user = make_talker(threads=2)
    address = f"/admin/accounts/user/{user.pk}/delete/"
    staff = log_in(root)
    assert "manage.py delete_user alice" in staff.get(address).content.decode()
    staff.post(address, {"post": "yes"})
    assert User.objects.filter(pk=user.pk, is_active=True).exists()


def test_staff_without_the_right_delete_nobody(root: User) -> None:
    user = make_talker()
    helper = User.objects.create_user("helper", password="secret", is_staff=True)
    assert log_in(helper).post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_who_deletes_themselves_has_no_name_in_the_log(root: User) -> None:
    helper = User.objects.create_superuser("helper", password="secret")
    log_in(helper).post(f"/admin/accounts/user/{helper.pk}/delete/", {"post": "yes"})
    entry = AuditEntry.objects.get(action="deleted")
    assert entry.actor_name == entry.owner_name
    assert entry.actor_name.startswith("deleted user ")
    assert "helper" not in repr(list(AuditEntry.objects.values()))


def test_what_staff_did_for_a_user_stays_theirs(root: User) -> None:
    user = make_talker()
    log_in(root).post(f"/admin/threads/thread/{Thread.objects.get().pk}/delete/", {"post": "yes"})
    deactivate(user=user, by=BY_COMMAND)
    delete_person(user=user, by=BY_COMMAND)
    entry = AuditEntry.objects.get(kind="threads.thread", action="deleted")
    assert (entry.actor, entry.actor_name) == (root, "root")
    assert (entry.owner, entry.owner_name[:12]) == (None, "deleted user")
    with pytest.raises(Conflict):
        deactivate(user=root, by=BY_COMMAND)


def test_another_of_the_same_name_is_somebody_else() -> None:
    make_talker()
    call_command("delete_user", "alice", "--yes")
    make_talker()
    call_command("delete_user", "alice", "--yes")
    names = AuditEntry.objects.filter(kind="threads.thread").values_list("owner_name", flat=True)
    assert len(set(names)) == 2


def test_what_was_never_theirs_is_left_alone() -> None:
    make_talker()
    bob = make_talker("bob")
    AuditEntry.objects.update(at=timezone.now() - timedelta(days=1))
    call_command("delete_user", "alice", "--yes")
    assert AuditEntry.objects.filter(owner=bob).exclude(label="").count() == 2
    assert uuid.UUID(str(Thread.objects.get().pk))
