"""Configs that could not be run are refused when they are sent."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from agents.config import parse_config
from agents.tools.specs import ToolSpec
from assistants.admin import AssistantForm
from assistants.models import Assistant
from runs.models import Run
from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


def body(configurable: Any) -> dict[str, Any]:
    return {"name": "a", "config": {"configurable": configurable}}


WRONG = [
    ("type", "robot", "type should be one of agent, chatbot, chat_retrieval."),
    ("type==agent/agent_type", "GPT 9", "type==agent/agent_type should be one of: GPT 3.5 Turbo, "),
    ("type==agent/tools", ["no_such_tool"], "type==agent/tools: there is no tool 'no_such_tool'. There are: "),
    ("type==agent/tools", "Wikipedia", "type==agent/tools should be a list."),
    ("type==agent/interrupt_before_action", "yes", "type==agent/interrupt_before_action should be true or false."),
    ("type==chatbot/llm_type", 7, "type==chatbot/llm_type should be one of: GPT 3.5 Turbo, "),
    ("type==chat_retrieval/system_message", ["sys"], "type==chat_retrieval/system_message should be a string."),
]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_wrong_value_of_a_known_key(alice: APIClient, method: str, key: str, value: Any, message: str) -> None:
    path = "/assistants" if method == "POST" else f"/assistants/{alice.make_assistant()}"
    response = alice(method, path, body({key: value, "anything": {"else": 1}}))
    assert response.status_code == 422
    (complaint,) = response.json()["detail"]
    assert complaint["loc"] == ["body", "config", "configurable", key]
    assert complaint["msg"].startswith(message)
    assert (complaint["type"], complaint["input"]) == ("config_value", value)


def test_all_of_them_are_named(alice: APIClient) -> None:
    # The keys of other types too: the type may be changed later, by a run even.
    wrong = {"type": "agent", "type==agent/agent_type": 1, "type==chatbot/llm_type": "?", "type==agent/tools": [None]}
    response = alice("POST", "/assistants", body(wrong))
    assert [complaint["loc"][-1] for complaint in response.json()["detail"]] == [
        "type==agent/agent_type",
        "type==agent/tools",
        "type==chatbot/llm_type",
    ]
    assert not Assistant.objects.exists()


def test_what_is_put_wrong_stays_as_it_was(alice: APIClient) -> None:
    assistant = alice.make_assistant(config={"configurable": {"type": "chatbot"}})
    assert alice("PUT", f"/assistants/{assistant}", body({"type": "robot"})).status_code == 422
    assert alice("GET", f"/assistants/{assistant}").json()["config"] == {"configurable": {"type": "chatbot"}}


@pytest.mark.parametrize("configurable", ["text", [], 7])
def test_configurable_is_an_object(alice: APIClient, configurable: Any) -> None:
    (complaint,) = alice("POST", "/assistants", body(configurable)).json()["detail"]
    assert (complaint["loc"], complaint["input"]) == (["body", "config", "configurable"], configurable)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"configurable": None},
        {"configurable": {"type": None, "type==agent/tools": None}},
        {"configurable": {"type==agent/unknown": object.__name__, "type==other/llm_type": 1, "user_key": [1]}, "x": 1},
        {
            "configurable": {
                "type": "agent",
                # Not available here, and still to be chosen.
                "type==agent/agent_type": "Claude 2",
                "type==agent/tools": [
                    "Wikipedia",
                    {"type": "sec_filings_kai_ai", "config": {}, "id": "1", "name": "SEC Filings (Kay.ai)"},
                ],
            }
        },
    ],
)
def test_what_is_right_or_unknown_is_kept_as_it_is(alice: APIClient, config: dict[str, Any]) -> None:
    assistant = alice.make_assistant(config=config)
    assert alice("GET", f"/assistants/{assistant}").json()["config"] == config


def test_a_run_may_not_override_with_it_either(alice: APIClient) -> None:
    thread = alice.make_thread()
    run = {"thread_id": thread, "input": [], "config": {"configurable": {"type==agent/agent_type": "GPT 9"}}}
    for path in ("/runs", "/runs/"):
        response = alice("POST", path, run)
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["body", "config", "configurable", "type==agent/agent_type"]
    assert not Run.objects.exists()


def test_an_older_config_still_loads_and_runs_without_what_is_gone(alice: APIClient) -> None:
    config = {"configurable": {"type": "agent", "type==agent/tools": ["robot_arm"]}}
    assistant = Assistant.objects.create(owner=User.objects.create_user("alice"), name="old", config=config)
    assert alice("GET", f"/assistants/{assistant.pk}").json()["config"] == config
    assert alice("GET", "/assistants").json()[0]["config"] == config
    thread = alice.make_thread(str(assistant.pk))
    assert alice("POST", "/runs", {"thread_id": thread, "input": []}).status_code == 200
    assert parse_config(config).tools == (ToolSpec("robot_arm"),)
    assert alice("PUT", f"/assistants/{assistant.pk}", {"name": "old", "config": config}).status_code == 422


def test_the_admin_says_it_at_the_field(admin_client: Client) -> None:
    owner = User.objects.create_user("alice")
    fields = {"name": "a", "owner": owner.pk, "config": '{"configurable": {"type": "robot", "type==agent/tools": 1}}'}
    form = AssistantForm(fields)
    assert form.errors["config"] == [
        "type should be one of agent, chatbot, chat_retrieval.",
        "type==agent/tools should be a list.",
    ]
    page = admin_client.post("/admin/assistants/assistant/add/", fields)
    assert "type==agent/tools should be a list." in page.content.decode()
    assert not Assistant.objects.exists()
    page = admin_client.post("/admin/assistants/assistant/add/", fields | {"config": '{"configurable": {}}'})
    assert page.status_code == 302
    assert Assistant.objects.get().config == {"configurable": {}}
