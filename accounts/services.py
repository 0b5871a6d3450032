"""Making users."""

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts.models import User


def create_api_user(*, username: str) -> User:
    """The user of that name for an API identity, without a password; made unless another request was first."""
    try:
        with transaction.atomic():
            return User.objects.create(username=username, password=make_password(None))
    except IntegrityError:
        return User.objects.get(username=username)
