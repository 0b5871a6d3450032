"""Whoever deletes a thread, those who do its runs and watch them are told."""

import pytest
from django.db import transaction

from accounts.models import User
from runs.signals import signals
from tests.client import APIClient
from threads.models import Thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads that have been told of."""
    told: list[str] = []
    monkeypatch.setattr(signals, "thread_deleted", lambda thread_id: told.append(str(thread_id)))
    return told


def test_by_its_owner_in_the_admin_and_with_its_owner(told: list[str]) -> None:
    alice = APIClient("alice")
    first, second, third = (alice.make_thread() for _ in range(3))
    alice("DELETE", f"/threads/{first}")
    Thread.objects.filter(pk=second).delete()
    User.objects.filter(username="alice").delete()
    assert told == [first, second, third]


def test_not_before_it_is_so(told: list[str]) -> None:
    thread = APIClient("alice").make_thread()
    with transaction.atomic():
        Thread.objects.filter(pk=thread).delete()
        assert told == []
        transaction.set_rollback(True)
    assert told == []


def test_nothing_for_what_was_not_there(told: list[str]) -> None:
    thread = APIClient("alice").make_thread()
    APIClient("bob")("DELETE", f"/threads/{thread}")
    assert told == []
