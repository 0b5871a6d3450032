"""What staff write into forms and addresses that cannot be: an error at the field, never a 500, on both databases."""

from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client

from agents.models import LanguageModel
from assistants.models import Assistant
from schedules.models import Schedule
from tests.client import APIClient

pytestmark = pytest.mark.django_db

NO_JSON = {
    "NaN": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "too large": '{"a": 1e999}',
    "half a surrogate pair": '{"a": "\\ud800"}',
    "too deep": '{"a":' * 200 + "1" + "}" * 200,
    "much too deep": "[" * 100_000,
    "an endless number": "9" * 5000,
    "broken off": "{",
    "a byte order mark": "\ufeff{}",
}
SEARCHES = ["%00", "a%00b", "%ff", "%ED%A0%80", "%F0%9F%98%80", "x" * 5000, "'", "%25", "9" * 40, "\\", "-1"]
PAGES = [
    f"{model._meta.app_label}/{model._meta.model_name}"
    for model in site._registry
    # Whose pages are the library's own, over tables that tests do not have.
    if model._meta.app_label != "procrastinate"
]
FILTERS = [
    "id__exact", "id", "owner__id__exact", "public__exact", "status__exact", "type", "source", "is_active__exact",
    "created_at__gte", "created_at__year", "updated_at__year", "updated_at__month", "date_joined__day", "o", "p", "all",
    "_to_field", "name", "username", "label", "content", "next_at__isnull", "last_error__isempty",
]  # fmt: skip
VALUES = [*SEARCHES, "0", "99999", "99999999999999999999", "0000-00-00", "9999-12-31T23:59:59+99:99", "1.5", "null"]


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    client.raise_request_exception = False
    return client


@pytest.fixture
def schedule() -> Schedule:
    alice = APIClient("alice")
    thread = alice.make_thread()
    alice("POST", "/schedules", {"thread_id": thread, "cron": "0 9 * * *"})
    return Schedule.objects.get()


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.status_code
    errors: dict[str, Any] = response.context["adminform"].form.errors
    return errors


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_json_that_cannot_be_stored(staff: Client, schedule: Schedule, text: str) -> None:
    assistant = Assistant.objects.get()
    model = LanguageModel.objects.first()
    assert model is not None
    before = list(Assistant.objects.values()), list(Schedule.objects.values()), list(LanguageModel.objects.values())
    form = {"name": "x", "owner": assistant.owner_id, "config": text}
    for address in (f"assistants/assistant/{assistant.pk}/change/", "assistants/assistant/add/"):
        assert set(errors_of(staff.post(f"/admin/{address}", form))) == {"config"}
    times = {"cron": "0 9 * * *", "timezone": "UTC", "enabled": "on", "input": "[]", "config": "{}"}
    for field in ("input", "config"):
        change = staff.post(f"/admin/schedules/schedule/{schedule.pk}/change/", {**times, field: text})
        assert set(errors_of(change)) == {field}
    about = {"label": model.label, "model": model.model, "parameters": text, "enabled": "on"}
    address = f"/admin/agents/languagemodel/{model.pk}/change/"
    assert set(errors_of(staff.post(address, about))) == {"parameters"}
    after = list(Assistant.objects.values()), list(Schedule.objects.values()), list(LanguageModel.objects.values())
    assert after == before


def test_nul_in_text(staff: Client, schedule: Schedule) -> None:
    assistant = Assistant.objects.get()
    form = {"name": "a\0b", "owner": assistant.owner_id, "config": "{}"}
    assert set(errors_of(staff.post(f"/admin/assistants/assistant/{assistant.pk}/change/", form))) == {"name"}
    times = {"cron": "0 9 * * *\0", "timezone": "UTC\0", "enabled": "on", "input": "[]", "config": "{}"}
    change = staff.post(f"/admin/schedules/schedule/{schedule.pk}/change/", times)
    assert set(errors_of(change)) == {"cron", "timezone"}
    user = {"username": "a\0b", "password1": "long-enough-9", "password2": "long-enough-9", "usable_password": "true"}
    assert "username" in errors_of(staff.post("/admin/accounts/user/add/", user))
    login = Client(raise_request_exception=False).post("/admin/login/", {"username": "a\0b", "password": "x\0"})
    assert login.status_code == 200


def test_a_config_that_is_too_large(staff: Client, schedule: Schedule, settings: Any) -> None:
    settings.MAX_CONFIG_BYTES = 1000
    assistant = Assistant.objects.get()
    form = {"name": "x", "owner": assistant.owner_id, "config": '{"configurable": {"a": "%s"}}' % ("x" * 1000)}
    errors = errors_of(staff.post(f"/admin/assistants/assistant/{assistant.pk}/change/", form))
    assert "MAX_CONFIG_BYTES" in errors["config"][0]


@pytest.mark.parametrize("page", PAGES)
def test_addresses_that_staff_make_up(staff: Client, schedule: Schedule, page: str) -> None:
    """Searches, filters, dates, pages and ids: a list, the list without the filter, or nothing there."""
    addresses = [f"/admin/{page}/?q={value}" for value in SEARCHES]
    addresses += [f"/admin/{page}/?{name}={value}" for name in FILTERS for value in VALUES]
    addresses += [f"/admin/{page}/{value}/{what}/" for value in SEARCHES for what in ("change", "history", "delete")]
    told = {address: staff.get(address).status_code for address in addresses}
    assert {address: status for address, status in told.items() if status not in (200, 302, 400, 403, 404)} == {}
