from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.keys import create_api_key
from accounts.models import MAX_KEY_NAME, User
from accounts.scopes import Scope
from audit.services import BY_COMMAND


class Command(BaseCommand):
    """Make an API key for a user, and print it: it is shown this once."""

    help = "Make an API key for a user, and print it. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user id, as the API shows it")
        parser.add_argument("name", help="what the key is called")
        parser.add_argument(
            "--scopes", default="read", help="what it may be used for: read, run, manage, with commas (default: read)"
        )
        parser.add_argument("--expires", help="when it ends, such as 2030-01-31 or 2030-01-31T12:00Z (default: never)")

    def handle(self, *args: Any, user: str, name: str, scopes: str, expires: str | None, **options: Any) -> None:
        owner = User.objects.filter(username=user, is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no user {user} who may use this server.")
        if not name.strip() or len(name) > MAX_KEY_NAME:
            raise CommandError(f"The name should have 1 to {MAX_KEY_NAME} characters.")
        _, token = create_api_key(
            owner=owner,
            name=name,
            scopes=_read_scopes(scopes),
            expires_at=None if expires is None else _read_time(expires),
            by=BY_COMMAND,
        )
        self.stdout.write(token)


def _read_scopes(text: str) -> list[Scope]:
    try:
        return [Scope(name.strip()) for name in text.split(",")]
    except ValueError as exc:
        raise CommandError(f"--scopes={text} should be some of {', '.join(Scope)}, with commas.") from exc


def _read_time(text: str) -> datetime:
    try:
        time = parse_datetime(text)
    except ValueError:
        time = None
    if time is None:
        raise CommandError(f"--expires={text} should be a time like 2030-01-31 or 2030-01-31T12:00Z.")
    time = time if timezone.is_aware(time) else time.replace(tzinfo=UTC)
    if time <= timezone.now():
        raise CommandError(f"--expires={text} is over.")
    return time
