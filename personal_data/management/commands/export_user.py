from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import User
from audit.services import BY_COMMAND
from opengpts.errors import Conflict
from personal_data.export import export_person


class Command(BaseCommand):
    """Export what the server has of a user, while it runs. See docs/privacy.md."""

    help = "Write all that the server has of a user into a zip file, which only you may read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user id")
        parser.add_argument("--output", type=Path, help="the file to make; by default USER-DATE.zip, here")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}.")
        name = slugify(user.username)[:100] or f"user-{user.pk}"
        path = options["output"] or Path(f"{name}-{timezone.now():%Y-%m-%d}.zip")
        try:
            export_person(user=user, path=path, by=BY_COMMAND)
        except Conflict as exc:
            raise CommandError(exc.message) from exc
        except OSError as exc:
            raise CommandError(f"{path} cannot be written: {exc.strerror}.") from exc
        self.stdout.write(f"{path} has all there is of {user.username}. It is personal data: keep it as such.")
