from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import User
from accounts.services import create_api_user
from assistants.services import create_assistant

CONFIG = {
    "configurable": {
        "type": "chatbot",
        "type==chatbot/system_message": "You are a helpful assistant. Answer in a few short sentences.",
    }
}


class Command(BaseCommand):
    """Give a new database one public assistant, so that the first list a user sees is not empty.

    Done once, when the default user is made: an assistant that was deleted or renamed stays so.
    """

    help = "Create a first public assistant in a new database."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.AUTH_DEFAULT_USER is None:
            # In production, or where people say who they are; `make run` goes on all the same.
            self.stdout.write("There is no default user to give an assistant to.")
            return
        with transaction.atomic():
            new = not User.objects.filter(username=settings.AUTH_DEFAULT_USER).exists()
            if new:
                owner = create_api_user(username=settings.AUTH_DEFAULT_USER)
                create_assistant(owner=owner, name="First assistant", config=CONFIG, public=True)
        if new:
            self.stdout.write("Created a first assistant.")
