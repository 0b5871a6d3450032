"""The models in the admin: what staff can change, and what they are kept from."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from agents.language_models.catalogue import MODELS
from agents.models import LanguageModel

pytestmark = pytest.mark.django_db

LIST = "/admin/agents/languagemodel/"
FORM = {
    "label": "vLLM",
    "model": "openai:mine",
    "base_url": "http://vllm:8000/v1",
    "key_env": "VLLM_KEY",
    "parameters": '{"temperature": 0.5}',
    "context_window": "32000",
    "can_use_tools": "on",
    "input_price": "0.1",
    "output_price": "",
    "enabled": "on",
}


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="secret"))
    return client


def change(model: LanguageModel) -> str:
    return f"{LIST}{model.pk}/change/"


def form_of(row: LanguageModel, **fields: str) -> dict[str, str]:
    return {
        "model": row.model,
        "parameters": "{}",
        **({"enabled": "on"} if row.enabled else {}),
        **({} if row.is_builtin else {"label": row.label}),
        **fields,
    }


def defaults() -> list[str]:
    return list(LanguageModel.objects.filter(is_default=True).values_list("label", flat=True))


def test_the_list_says_what_can_run(staff: Client) -> None:
    shown = staff.get(LIST).content.decode()
    for label in MODELS:
        assert label in shown
    assert '<span title="GPT 4o needs OPENAI_API_KEY.">needs OPENAI_API_KEY.</span>' in shown
    long = "Claude 2 needs the package langchain-anthropic (in the server&#x27;s environment: pip install"
    assert f'<span title="{long}' in shown
    assert ">needs the package langchain-anthropic and ANTHROPIC_API_KEY.</span>" in shown
    assert "1 / 5" in shown
    assert "? / ?" in shown


def test_a_model_is_added(staff: Client) -> None:
    empty = staff.get(f"{LIST}add/")
    assert empty.status_code == 200
    assert not {"state", "kept"} & {name for fieldset in empty.context["adminform"] for name in fieldset.fields}
    assert staff.post(f"{LIST}add/", FORM).status_code == 302
    entry = LanguageModel.objects.get(label="vLLM").entry
    assert (entry.provider, entry.name, entry.base_url) == ("openai", "mine", "http://vllm:8000/v1")
    assert (entry.parameters, entry.context_window) == ({"temperature": 0.5}, 32000)
    assert (entry.input_price, entry.output_price) == (Decimal("0.1"), None)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("label", "", "This field is required."),
        ("label", "GPT 4o", "already exists"),
        ("label", "x" * 256, "at most 255"),
        ("model", "gpt-4o", "This should be provider:model"),
        ("model", "nobody:gpt-4o", "This should be provider:model"),
        ("base_url", "vllm:8000", "This should be an address"),
        ("key_env", "sk-proj-abcdef", "Never put a key itself here"),
        ("parameters", "{", "Enter a valid JSON."),
        ("parameters", "[]", "This should be a JSON object"),
        ("parameters", '{"api_key": "sk-abc"}', "It may hold a secret"),
        ("parameters", '{"temperature": NaN}', "NaN"),
        ("context_window", "0", "greater than or equal to 1"),
        ("context_window", "-5", "greater than or equal to"),
        ("input_price", "-1", "greater than or equal to 0"),
        ("output_price", "-0.01", "greater than or equal to 0"),
        ("output_price", "free", "Enter a number."),
    ],
)
def test_what_is_wrong_is_said_at_the_field(staff: Client, field: str, value: str, said: str) -> None:
    response = staff.post(f"{LIST}add/", {**FORM, field: value})
    assert response.status_code == 200
    assert said in str(response.context["adminform"].form.errors.get(field)), response.context["adminform"].form.errors
    assert not LanguageModel.objects.filter(model="openai:mine").exists()


def test_no_parameters_are_an_empty_object(staff: Client) -> None:
    assert staff.post(f"{LIST}add/", {**FORM, "parameters": ""}).status_code == 302
    assert LanguageModel.objects.get(label="vLLM").parameters == {}


def test_the_default_moves(staff: Client) -> None:
    first, second = LanguageModel.objects.all()[:2]
    assert staff.post(change(first), form_of(first, default="on")).status_code == 302
    assert defaults() == [first.label]
    assert staff.post(change(second), form_of(second, default="on")).status_code == 302
    assert defaults() == [second.label]
    boxes = {model: staff.get(change(model)).context["adminform"].form["default"].value() for model in (first, second)}
    assert boxes == {first: False, second: True}
    assert staff.post(change(second), form_of(second)).status_code == 302
    assert defaults() == []


def test_a_new_model_may_be_the_default_at_once(staff: Client) -> None:
    LanguageModel.objects.filter(label="GPT 4o").update(is_default=True)
    assert staff.post(f"{LIST}add/", {**FORM, "default": "on"}).status_code == 302
    assert defaults() == ["vLLM"]


def test_the_default_moves_by_the_lists_action(staff: Client) -> None:
    first, second = LanguageModel.objects.all()[:2]
    for model in (first, second):
        staff.post(LIST, {"action": "choose_default", "_selected_action": [model.pk]})
        assert defaults() == [model.label]
    LanguageModel.objects.filter(pk=first.pk).update(enabled=False)
    for chosen in ([first.pk, second.pk], [first.pk]):
        response = staff.post(LIST, {"action": "choose_default", "_selected_action": chosen}, follow=True)
        assert "Choose one model that is not switched off." in response.content.decode()
        assert defaults() == [second.label]


def test_what_is_switched_off_cannot_be_the_default(staff: Client) -> None:
    model = LanguageModel.objects.get(label="GPT 4o")
    response = staff.post(change(model), {"model": model.model, "parameters": "{}", "default": "on"})
    assert "A model that is switched off cannot be the default." in response.content.decode()
    assert defaults() == []


def test_a_builtin_label_cannot_be_deleted_or_renamed(staff: Client) -> None:
    model = LanguageModel.objects.get(label="GPT 4o")
    shown = staff.get(change(model)).content.decode()
    assert "cannot be deleted. Give it another model, or switch it off." in shown
    assert 'name="label"' not in shown
    assert staff.post(f"{LIST}{model.pk}/delete/", {"post": "yes"}).status_code == 403
    mine = LanguageModel.objects.create(label="Mine", model="openai:mine")
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [model.pk, mine.pk], "post": "yes"})
    assert LanguageModel.objects.count() == len(MODELS) + 1
    staff.post(change(model), form_of(model, label="Renamed", model="openai:other"))
    model.refresh_from_db()
    assert (model.label, model.model) == ("GPT 4o", "openai:other")


def test_a_label_of_ones_own_can_be_deleted(staff: Client) -> None:
    mine = LanguageModel.objects.create(label="Mine", model="openai:mine")
    assert staff.post(f"{LIST}{mine.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not LanguageModel.objects.filter(label="Mine").exists()


def test_no_key_is_shown(staff: Client, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.OPENAI_API_KEY = "sk-secret-one"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-two")
    pages = [LIST, *(change(model) for model in LanguageModel.objects.all())]
    for path in pages:
        assert "sk-secret" not in staff.get(path).content.decode()
