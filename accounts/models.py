"""Who uses the server."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or program. `username` is the `user_id` that the API shows.

    A user made for an API identity (a cookie, a token's subject) has no usable password and is never
    staff; staff log in to the admin with a password. Neither can become the other by choosing a name.
    """

    # An identity provider may name its users as it likes, at any length up to 255.
    username = models.CharField(
        "user id",
        max_length=255,
        unique=True,
        error_messages={"unique": "A user with that user id already exists."},
    )
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]

    REQUIRED_FIELDS = []

    def get_full_name(self) -> str:
        return self.username

    def get_short_name(self) -> str:
        return self.username

    @property
    def is_api_identity(self) -> bool:
        """Whether an unauthenticated claim (the development cookie) may stand for this user."""
        return not (self.is_staff or self.is_superuser or self.has_usable_password())
