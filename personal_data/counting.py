"""How much there is of a user's."""

from django.db.models import QuerySet

from accounts.models import User
from assistants.models import Assistant
from knowledge.models import Document
from runs.models import Run
from schedules.models import Schedule
from threads.models import Image, Message, Thread


def count_of(user: User) -> dict[str, int]:
    """The number of rows of each kind that a user sees as theirs, by its name in the plural."""
    rows: list[QuerySet] = [
        Assistant.objects.filter(owner=user),
        Thread.objects.filter(owner=user),
        Message.objects.filter(thread__owner=user),
        Run.objects.filter(owner=user),
        Document.objects.filter(owner=user),
        Image.objects.filter(thread__owner=user),
        Schedule.objects.filter(owner=user),
    ]
    return {str(some.model._meta.verbose_name_plural): some.count() for some in rows}
