"""Every page of the admin, asked by those who are no staff."""

import re

import pytest
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from tests.routes import admin_paths

pytestmark = pytest.mark.django_db

PATHS = sorted({re.sub(r"<[^>]*>", "1", path) for path in admin_paths() if "?" not in path})
# What may be seen to log in; and what sends on to a page that may not.
OPEN = {"/admin/login/", "/admin"}


def someone(kind: str) -> Client:
    client = Client(raise_request_exception=False)
    if kind == "nobody":
        return client
    if kind == "cookie":
        client.cookies["opengpts_user_id"] = "alice"
        return client
    user = User.objects.create_user("member", password="a-password-of-theirs")
    if kind == "token":
        return Client(headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"}, raise_request_exception=False)
    if kind == "shut out":
        User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client.force_login(user)
    if kind == "shut out":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return client


@pytest.mark.parametrize("kind", ["nobody", "cookie", "token", "member", "shut out"])
def test_who_is_no_staff_is_sent_to_the_login(kind: str) -> None:
    client = someone(kind)
    assert len(PATHS) > 50
    for path in PATHS:
        for method in ("get", "post"):
            response = getattr(client, method)(path)
            if path in OPEN:
                assert response.status_code in (200, 301, 302), path
            else:
                assert response.status_code == 302, (method, path, response.status_code)
                assert response["Location"].startswith(("/admin/login/", "/admin/")), path
                assert "sessionid" not in response.cookies


def test_staff_without_permissions_see_nothing() -> None:
    clerk = User.objects.create_user("clerk", password="a-password-of-theirs", is_staff=True)
    client = Client(raise_request_exception=False)
    client.force_login(clerk)
    of_models = [path for path in PATHS if path.count("/") >= 4 and "password_change" not in path]
    assert len(of_models) > 40
    for path in of_models:
        for response in (client.get(path), client.post(path)):
            assert response.status_code in (302, 403, 404), path
            assert response.status_code != 302 or response["Location"].startswith("/admin/"), path
