"""`GET /quotas`, and the pages for staff."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import User
from quotas.models import DailyUse, Quota
from tests.client import APIClient

pytestmark = pytest.mark.django_db

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    return client


@pytest.mark.usefixtures("noon")
def test_what_i_may_use_and_have(settings: Any) -> None:
    alice = APIClient("alice")
    settings.QUOTA_STORAGE_BYTES = 1000
    thread = alice.make_thread()
    alice("POST", "/runs", {"thread_id": thread, "input": []})
    user = User.objects.get(username="alice")
    DailyUse.objects.update(input_tokens=5, output_tokens=6, cost=Decimal("0.5"))
    DailyUse.objects.create(user=user, day="2031-05-16", runs=99, input_tokens=99)
    Quota.objects.create(user=user, runs_per_day=4, cost_per_day=Decimal("2.50"))
    answer = alice("GET", "/quotas")
    assert answer.status_code == 200
    assert answer.json() == {
        "resets_at": "2031-05-18T00:00:00Z",
        "runs": {"limit": 4, "used": 1},
        "tokens": {"limit": None, "used": 11},
        "cost": {"limit": "2.5", "used": "0.5"},
        "storage": {"limit": 1000, "used": 0},
    }
    assert APIClient("bob")("GET", "/quotas/").json()["runs"] == {"limit": None, "used": 0}
    assert alice("POST", "/quotas", {}).status_code == 405


def test_it_is_documented() -> None:
    document = APIClient("alice")("GET", "/openapi.json").json()
    answer = document["paths"]["/quotas/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    fields = document["components"]["schemas"][answer["$ref"].rpartition("/")[2]]["properties"]
    assert set(fields) == {"resets_at", "runs", "tokens", "cost", "storage"}


def test_staff_give_users_and_groups_a_quota(staff: Client) -> None:
    alice = User.objects.create(username="alice")
    group = Group.objects.create(name="students")
    for fields in ({"user": alice.pk, "runs_per_day": "5"}, {"group": group.pk, "cost_per_day": "0.5"}):
        assert staff.post("/admin/quotas/quota/add/", fields).status_code == 302
    assert Quota.objects.get(user=alice).runs_per_day == 5
    assert Quota.objects.get(group=group).cost_per_day == Decimal("0.5")
    listed = staff.get("/admin/quotas/quota/").content.decode()
    assert "alice" in listed
    assert "students" in listed
    own = Quota.objects.get(user=alice)
    shown = staff.get(f"/admin/quotas/quota/{own.pk}/change/").content.decode()
    assert "the largest number of their groups" in shown
    assert staff.get("/admin/quotas/quota/?q=stud").status_code == 200
    found = staff.get(
        "/admin/autocomplete/", {"app_label": "quotas", "model_name": "quota", "field_name": "user", "term": "ali"}
    )
    assert [row["text"] for row in found.json()["results"]] == ["alice"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"runs_per_day": "5"}, "Choose a user or a group: one of them."),
        ({"user": "alice", "group": "students"}, "Choose a user or a group: one of them."),
        (
            {"user": "alice", "unlimited": "on", "runs_per_day": "5"},
            "Where nothing is limited there can be no numbers.",
        ),
        ({"user": "alice", "runs_per_day": "-1"}, "greater than or equal to 0"),
        ({"user": "alice", "cost_per_day": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_quota_that_cannot_be(staff: Client, fields: dict[str, Any], told: str) -> None:
    keys = {"alice": User.objects.create(username="alice").pk, "students": Group.objects.create(name="students").pk}
    form = {name: keys.get(value, value) for name, value in fields.items()}
    answer = staff.post("/admin/quotas/quota/add/", form)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not Quota.objects.exists()


def test_staff_see_what_was_used_and_change_nothing_of_it(staff: Client) -> None:
    alice = User.objects.create(username="alice")
    row = DailyUse.objects.create(user=alice, day="2031-05-16", runs=12, input_tokens=34, cost=Decimal("0.0625"))
    listed = staff.get("/admin/quotas/dailyuse/?q=alice").content.decode()
    for text in ("alice", "12", "34", "0.0625"):
        assert text in listed
    assert staff.get(f"/admin/quotas/dailyuse/{row.pk}/change/").status_code == 200
    assert staff.post(f"/admin/quotas/dailyuse/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get("/admin/quotas/dailyuse/add/").status_code == 403
    Quota.objects.create(user=alice, runs_per_day=1)
    assert staff.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not DailyUse.objects.exists()
    assert not Quota.objects.exists()
