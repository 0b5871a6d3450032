"""Logging in to the admin: which passwords are taken, and what a login leaves in the browser."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client

pytestmark = pytest.mark.django_db

PASSWORD = "a heron by the water"


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "heron@lake.example"])
def test_passwords_that_are_easy_to_guess(django_user_model: Any, password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, django_user_model(username="somebody", email="heron@lake.example"))


def test_the_cookies_of_a_login(django_user_model: Any) -> None:
    django_user_model.objects.create_superuser("root", password=PASSWORD)
    client = Client()
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], session["max-age"]) == (True, "Lax", 7 * 24 * 3600)
    assert token["samesite"] == "Lax"
