"""What staff may do to users: nobody becomes more than they are, by a form or by who has more.

Django lets whoever may change users make themselves superusers, or set a superuser's password.
"""

from django.db.models import Q, QuerySet

from accounts.models import User

# What makes somebody more than they were: for superusers to give.
PRIVILEGES = ("is_staff", "is_superuser", "groups", "user_permissions")


def may_handle(staff: User, user: User) -> bool:
    """Whether `staff` may change, end or act for `user`: superusers for anybody, others not for other staff."""
    return staff.is_superuser or user.pk == staff.pk or not (user.is_staff or user.is_superuser)


def handled_by(staff: User) -> QuerySet[User]:
    """The users of whom `may_handle` says so."""
    if staff.is_superuser:
        return User.objects.all()
    return User.objects.filter(Q(is_staff=False, is_superuser=False) | Q(pk=staff.pk))
