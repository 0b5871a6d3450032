"""API keys in the admin, and the command that makes one."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.keys import create_api_key, find_api_key
from accounts.models import APIKey, User
from accounts.scopes import Scope
from accounts.services import create_api_user
from opengpts.errors import Unauthenticated

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/accounts/apikey/"
TOKEN = re.compile(r"ogpt_[0-9a-f]{12}_[\w-]{43}")


@pytest.fixture
def alice() -> User:
    return create_api_user(username="alice")


def test_staff_make_a_key_which_is_shown_once(admin_client: Any, alice: User) -> None:
    form = {"owner": alice.pk, "name": "ci", "can_read": "on", "expires_at_0": "2099-01-01", "expires_at_1": "00:00"}
    shown = admin_client.post(f"{ADDRESS}add/", form)
    assert "no-store" in shown.headers["Cache-Control"]
    token = TOKEN.findall(shown.content.decode())[0]
    key = find_api_key(token=token)
    assert (key.owner, key.name, set(key.scopes)) == (alice, "ci", {Scope.READ})
    assert key.expires_at is not None
    for page in (ADDRESS, f"{ADDRESS}{key.pk}/change/", f"{ADDRESS}{key.pk}/history/", f"{ADDRESS}?q=alice"):
        text = admin_client.get(page).content.decode()
        assert "ci" in text
        assert key.digest not in text
        assert token not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"can_read": ""}, "Choose what it may be used for."),
        ({"name": ""}, "This field is required."),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "This is over already."),
    ],
)
def test_keys_that_staff_cannot_make(admin_client: Any, alice: User, changes: Any, said: str) -> None:
    form = {"owner": alice.pk, "name": "ci", "can_read": "on", **changes}
    assert said in admin_client.post(f"{ADDRESS}add/", {k: v for k, v in form.items() if v}).content.decode()
    assert not APIKey.objects.exists()


def test_staff_revoke_keys_and_change_nothing_else(admin_client: Any, alice: User) -> None:
    key, token = create_api_key(owner=alice, name="k", scopes=[Scope.READ], expires_at=None)
    admin_client.post(f"{ADDRESS}{key.pk}/change/", {"name": "other", "can_manage": "on"})
    key.refresh_from_db()
    assert (key.name, key.can_manage) == ("k", False)
    admin_client.post(ADDRESS, {"action": "revoke", "_selected_action": [str(key.pk)]})
    with pytest.raises(Unauthenticated, match="revoked"):
        find_api_key(token=token)


def test_a_user_is_deleted_with_their_keys(admin_client: Any, alice: User) -> None:
    create_api_key(owner=alice, name="k", scopes=[Scope.READ], expires_at=None)
    assert admin_client.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not APIKey.objects.exists()


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("create_api_key", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_a_key(alice: User) -> None:
    key = find_api_key(token=command("alice", "ci", "--scopes", "read, run", "--expires", "2099-01-01").strip())
    assert (key.owner, key.name, set(key.scopes)) == (alice, "ci", {Scope.READ, Scope.RUN})
    assert key.expires_at is not None
    assert find_api_key(token=command("alice", "x").strip()).scopes == {Scope.READ}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bob", "x"], "no user bob"),
        (["alice", " "], "1 to 100"),
        (["alice", "x", "--scopes", "read,all"], "--scopes=read,all"),
        (["alice", "x", "--expires", "soon"], "--expires=soon"),
        (["alice", "x", "--expires", "2099-13-01"], "--expires=2099-13-01"),
        (["alice", "x", "--expires", str((timezone.now() - timedelta(days=1)).date())], "is over"),
    ],
)
def test_what_the_command_refuses(alice: User, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=re.escape(said)):
        command(*arguments)
    assert not APIKey.objects.exists()
