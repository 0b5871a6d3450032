from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from audit.services import BY_COMMAND
from opengpts.errors import Conflict
from personal_data.counting import count_of
from personal_data.deletion import deactivate, delete_person
from personal_data.ending import end_runs, forget_events, wake_processes


class Command(BaseCommand):
    """Delete a user with all that is theirs, while the server runs. See docs/privacy.md."""

    help = "Delete a user and all that is theirs. Broken off, it can be called again, and goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user id")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}.")
        counts = ", ".join(f"{number:,} {name}" for name, number in count_of(user).items())
        self.stdout.write(f"{user.username} has {counts}.")
        if not options["yes"] and not self._is_sure(user):
            raise CommandError("Nothing was deleted.")
        try:
            deactivate(user=user, by=BY_COMMAND)
            self._end_runs(user)
            delete_person(user=user, by=BY_COMMAND, threads_gone=forget_events)
        except Conflict as exc:
            raise CommandError(exc.message) from exc
        self.stdout.write("Deleted. Backups have what they had: see docs/privacy.md.")

    def _is_sure(self, user: User) -> bool:
        try:
            typed = input("All of it will be deleted, and cannot be brought back. Type the user id to go on: ")
        except EOFError:
            raise CommandError("There is nobody to ask. Call this with --yes.") from None
        return typed == user.username

    def _end_runs(self, user: User) -> None:
        if ended := end_runs(user=user, wait=settings.RUN_LOST_AFTER, cancelled=wake_processes):
            self.stdout.write(f"{ended} runs that had not ended are cancelled.")
