"""Which limits hold for a user who has some of their own, of their groups, and of the server."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from accounts.models import User
from quotas.allowances import Allowance, allowance_of
from quotas.models import Quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(settings: Any) -> User:
    """A user, on a server with a limit of each kind."""
    settings.QUOTA_RUNS_PER_DAY, settings.QUOTA_TOKENS_PER_DAY = 10, 1000
    settings.QUOTA_COST_PER_DAY, settings.QUOTA_STORAGE_BYTES = Decimal(1), 500
    return User.objects.create(username="alice")


def group_of(user: User, name: str, **limits: Any) -> Quota:
    group = Group.objects.create(name=name)
    user.groups.add(group)
    return Quota.objects.create(group=group, **limits)


def test_the_servers(alice: User, settings: Any) -> None:
    assert allowance_of(alice) == Allowance(10, 1000, Decimal(1), 500)
    settings.QUOTA_RUNS_PER_DAY = settings.QUOTA_COST_PER_DAY = None
    assert allowance_of(alice) == Allowance(None, 1000, None, 500)


def test_the_largest_of_the_groups(alice: User) -> None:
    group_of(alice, "students", runs_per_day=3, cost_per_day=Decimal("0.5"))
    group_of(alice, "tutors", runs_per_day=5, tokens_per_day=7)
    group_of(User.objects.create(username="bob"), "others", runs_per_day=99)
    assert allowance_of(alice) == Allowance(5, 7, Decimal("0.5"), 500)


def test_ones_own_wins_field_by_field(alice: User) -> None:
    group_of(alice, "students", runs_per_day=3, tokens_per_day=4)
    Quota.objects.create(user=alice, runs_per_day=1, cost_per_day=Decimal("0.0000000001"))
    assert allowance_of(alice) == Allowance(1, 4, Decimal("0.0000000001"), 500)
    Quota.objects.filter(user=alice).update(runs_per_day=0)
    assert allowance_of(alice).runs_per_day == 0


def test_without_limits(alice: User) -> None:
    group_of(alice, "students", runs_per_day=3)
    free = group_of(alice, "staff", unlimited=True)
    assert allowance_of(alice) == Allowance()
    own = Quota.objects.create(user=alice, runs_per_day=2)
    assert allowance_of(alice) == Allowance(runs_per_day=2)
    free.delete()
    own.runs_per_day, own.unlimited = None, True
    own.save()
    assert allowance_of(alice) == Allowance()


def test_a_row_is_of_one_user_or_one_group(alice: User) -> None:
    group = Group.objects.create(name="g")
    wrong: list[dict[str, Any]] = [
        {},
        {"user": alice, "group": group},
        {"user": alice, "unlimited": True, "runs_per_day": 1},
        {"user": alice, "cost_per_day": Decimal(-1)},
    ]
    for fields in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            Quota.objects.create(**fields)
    Quota.objects.create(user=alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Quota.objects.create(user=alice)


def test_it_goes_with_its_user_and_its_group(alice: User) -> None:
    group_of(alice, "students", runs_per_day=3)
    Quota.objects.create(user=alice)
    Group.objects.all().delete()
    alice.delete()
    assert not Quota.objects.exists()
