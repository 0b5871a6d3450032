"""Staff who may change users, groups or keys do not become more than they are by it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import APIKey, User

pytestmark = pytest.mark.django_db

PASSWORD = "a heron by the water"
NEW = "another heron by the water"


@pytest.fixture
def clerk() -> User:
    """Staff with every permission on users, groups and API keys."""
    user = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    models = ["user", "group", "apikey"]
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=models))
    return user


@pytest.fixture
def client(clerk: User) -> Client:
    client = Client()
    client.force_login(clerk)
    return client


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def form_of(user: User, **fields: Any) -> dict[str, Any]:
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "06:00:00"}
    return {"username": user.username, "is_active": "on", **dates, **fields}


def test_nobody_makes_themselves_a_superuser(client: Client, clerk: User) -> None:
    group = Group.objects.create(name="all")
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    given = {"is_staff": "on", "is_superuser": "on", "groups": [str(group.pk)], "user_permissions": every}
    had = clerk.user_permissions.count()
    assert client.post(f"/admin/accounts/user/{clerk.pk}/change/", form_of(clerk, **given)).status_code == 302
    clerk.refresh_from_db()
    assert (clerk.is_staff, clerk.is_superuser, clerk.groups.count()) == (True, False, 0)
    assert clerk.user_permissions.count() == had < len(every)


def test_nobody_takes_over_who_has_more(client: Client, root: User) -> None:
    other = User.objects.create_user("other", password=PASSWORD, is_staff=True)
    for user in (root, other):
        passwords = {"password1": NEW, "password2": NEW, "usable_password": "true"}
        assert client.post(f"/admin/accounts/user/{user.pk}/password/", passwords).status_code == 403
        assert client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, username="x")).status_code == 403
        assert client.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
        epoch = user.login_epoch
        for action in ("end_logins", "delete_selected"):
            chosen = {"action": action, "_selected_action": [str(user.pk)], "post": "yes"}
            client.post("/admin/accounts/user/", chosen)
        user.refresh_from_db()
        assert (user.check_password(PASSWORD), user.is_active, user.login_epoch) == (True, True, epoch)


def test_nobody_widens_their_group(client: Client, clerk: User) -> None:
    group = Group.objects.create(name="clerks")
    clerk.groups.add(group)
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "clerks", "permissions": every})
    assert group.permissions.count() == 0


def test_nobody_makes_or_revokes_keys_of_who_has_more(client: Client, clerk: User, root: User) -> None:
    form = {"name": "k", "can_read": "on", "can_run": "on", "can_manage": "on"}
    assert client.post("/admin/accounts/apikey/add/", {**form, "owner": root.pk}).status_code == 200
    assert not APIKey.objects.exists()
    alice = User.objects.create(username="alice")
    for owner in (alice, clerk):
        assert b"ogpt_" in client.post("/admin/accounts/apikey/add/", {**form, "owner": owner.pk}).content
    theirs = APIKey.objects.create(owner=root, name="r", prefix="x", digest="x", can_read=True)
    keys = [str(key.pk) for key in APIKey.objects.all()]
    client.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": keys})
    assert list(APIKey.objects.filter(revoked_at=None)) == [theirs]


def test_superusers_do_all_of_it(root: User, clerk: User) -> None:
    client = Client()
    client.force_login(root)
    client.post(f"/admin/accounts/user/{clerk.pk}/change/", form_of(clerk, is_staff="on", is_superuser="on"))
    clerk.refresh_from_db()
    assert clerk.is_superuser
    passwords = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert client.post(f"/admin/accounts/user/{clerk.pk}/password/", passwords).status_code == 302
    clerk.refresh_from_db()
    assert clerk.check_password(NEW)
