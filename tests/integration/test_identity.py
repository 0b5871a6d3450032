"""One identity, however it is asked for: by a view, or by a consumer."""

from collections.abc import Callable

import pytest
from django.test import RequestFactory

from accounts.models import User
from opengpts.auth import Credentials, identify, identify_scope
from opengpts.errors import Unauthenticated

pytestmark = pytest.mark.django_db


def by_view(header: str) -> User:
    return identify(Credentials(RequestFactory(headers={"cookie": header}).get("/").COOKIES)).user


def by_consumer(header: str) -> User:
    return identify_scope({"type": "http", "headers": [(b"cookie", header.encode("latin-1"))]})


@pytest.mark.parametrize("ask", [by_view, by_consumer])
@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("opengpts_user_id=alice", "alice"),
        ('prefs={"a":1}; opengpts_user_id=alice', "alice"),
        ('opengpts_user_id="quo ted"', "quo ted"),
        ("opengpts_user_id=two words; other=x", "two words"),
        ("opengpts_user_id=", "static-default-user-id"),
        ("", "static-default-user-id"),
    ],
)
def test_the_cookie_names_the_user(ask: Callable[[str], User], header: str, user: str) -> None:
    assert ask(header).username == user


@pytest.mark.parametrize("ask", [by_view, by_consumer])
@pytest.mark.parametrize("name", ["x" * 256, "a\x00b", "a\x7fb"])
def test_names_that_cannot_be(ask: Callable[[str], User], name: str) -> None:
    with pytest.raises(Unauthenticated):
        ask(f"opengpts_user_id={name}")
    assert not User.objects.exists()
