"""`manage.py rotate_secrets`, and the migration of what was stored before."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from agents.config_secrets.sealing import reveal
from assistants.models import Assistant
from opengpts import rotation
from opengpts.encryption import renewed
from runs.models import Run
from tests.client import APIClient
from tests.integration.schedules.making import post_schedule
from tests.integration.secrets.test_api import config

pytestmark = pytest.mark.django_db

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def rows(settings: Any) -> list[Any]:
    """An assistant, a run and a schedule with secrets under OLD; and NEW comes first now."""
    settings.SECRETS_KEYS = [OLD]
    alice = APIClient("alice")
    thread = alice.make_thread(alice.make_assistant(config=config("s3cret", url="https://a.example/?k=s3cret")))
    alice("POST", "/runs", {"thread_id": thread, "input": [], "config": config("s3cret")})
    schedule = post_schedule(alice, thread, config=config("s3cret"))
    alice.make_assistant(name="without")
    settings.SECRETS_KEYS = [NEW, OLD]
    return [Assistant.objects.get(name="a"), Run.objects.get(), schedule]


def rotate() -> str:
    out = StringIO()
    call_command("rotate_secrets", stdout=out, stderr=out)
    return out.getvalue()


def plain(rows: list[Any]) -> list[Any]:
    for row in rows:
        row.refresh_from_db()
    return [reveal(row.sealed, owner=row.owner_id) for row in rows]


def test_all_are_encrypted_anew(rows: list[Any], settings: Any) -> None:
    before = plain(rows)
    said = rotate()
    for name in ("assistants", "runs", "schedules"):
        assert f"{name}: 1 encrypted anew, 0 were or stay as they are" in said
    settings.SECRETS_KEYS = [NEW]
    assert plain(rows) == before
    assert "s3cret" in str(before)
    tokens = [row.secrets for row in rows]
    assert "assistants: 0 encrypted anew, 1 were or stay as they are" in rotate()
    plain(rows)
    assert [row.secrets for row in rows] == tokens


def test_what_cannot_be_read_is_named_and_left(rows: list[Any], settings: Any) -> None:
    settings.SECRETS_KEYS = [NEW]
    tokens = [row.secrets for row in rows]
    out = StringIO()
    with pytest.raises(CommandError, match="3 rows have secrets that no key in SECRETS_KEYS decrypts"):
        call_command("rotate_secrets", stdout=out, stderr=out)
    assert f"assistants: 1 have secrets that cannot be decrypted: {rows[0].pk}" in out.getvalue()
    plain(rows)
    assert [row.secrets for row in rows] == tokens
    settings.SECRETS_KEYS = [NEW, OLD]
    assert "s3cret" in str(plain(rows)[0])


def test_stopped_half_way_it_goes_on(rows: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1]

    def interrupted(token: str) -> str:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return renewed(token)

    monkeypatch.setattr(rotation, "renewed", interrupted)
    with pytest.raises(CommandError, match="Interrupted"):
        rotate()
    monkeypatch.undo()
    rotate()
    settings.SECRETS_KEYS = [NEW]
    assert "s3cret" in str(plain(rows)[0])


def interfering(change: Callable[[], Any], times: int) -> Callable[[str], str]:
    """What renews a token, and is so slow that somebody is quicker."""
    left = [change] * times

    def renew(token: str) -> str:
        done = renewed(token)
        if left:
            left.pop()()
        return done

    return renew


def test_what_the_server_changes_meanwhile_is_not_overwritten(
    rows: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put() -> None:
        sent = {"name": "a", "config": config("changed")}
        assert APIClient("alice")("PUT", f"/assistants/{rows[0].pk}", sent).status_code == 200

    monkeypatch.setattr(rotation, "renewed", interfering(put, 1))
    rotate()
    settings.SECRETS_KEYS = [NEW]
    assert plain(rows)[0] == config("changed")


def test_what_is_deleted_meanwhile_stays_so(rows: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "renewed", interfering(rows[0].delete, 1))
    rotate()
    assert not Assistant.objects.filter(name="a").exists()


def test_more_than_a_batch(rows: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    settings.SECRETS_KEYS = [OLD]
    for _ in range(6):
        APIClient("alice").make_assistant(config=config("s3cret"))
    settings.SECRETS_KEYS = [NEW, OLD]
    assert "assistants: 7 encrypted anew" in rotate()


def test_what_was_copied_meanwhile_is_found(rows: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = rows[0].secrets

    def copy() -> None:
        # To where it has looked already: as a run does that was asked for before.
        Assistant.objects.create(
            pk="00000000-0000-4000-8000-000000000000", owner=rows[0].owner, config=rows[0].config, secrets=secrets
        )

    monkeypatch.setattr(rotation, "renewed", interfering(copy, 1))
    rotate()
    settings.SECRETS_KEYS = [NEW]
    assert "s3cret" in str(plain([Assistant.objects.get(name="")]))


def test_a_server_with_another_key_is_noticed(rows: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = rows[0].secrets

    def write() -> None:
        # Where it has looked already.
        about = {"owner": rows[0].owner, "config": rows[0].config, "secrets": secrets}
        Assistant.objects.update_or_create(about, pk="00000000-0000-4000-8000-000000000000")

    monkeypatch.setattr(rotation, "renewed", interfering(write, 1000))
    with pytest.raises(CommandError, match="the same SECRETS_KEYS"):
        rotate()
