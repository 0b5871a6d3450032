"""How many bytes documents take: as many as the files that were uploaded. What is made of them is not counted."""

from django.db.models import Sum

from knowledge.models import Document


def bytes_of_user(user_id: int) -> int:
    """What all of a user's documents take, in their assistants and their threads."""
    total: int | None = Document.objects.filter(owner=user_id).order_by().aggregate(total=Sum("size"))["total"]
    return total or 0
