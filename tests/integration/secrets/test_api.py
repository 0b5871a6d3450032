"""Secrets in configs are written and never read: of assistants, of runs, of schedules."""

from typing import Any

import pytest

from agents.config import AgentConfig
from agents.config_secrets.counterparts import NoCounterpart
from assistants.models import Assistant
from runs.ingredients import ingredients_of
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.schedules.making import make_due, post_schedule, tick

pytestmark = pytest.mark.django_db

TOOLS = "type==agent/tools"
URL = "https://mcp.example/mcp"
PLACE = ["body", "config", "configurable", TOOLS, 0, "config", "headers", "Authorization"]


@pytest.fixture(autouse=True)
def model(settings: Any) -> None:
    settings.OPENAI_API_KEY = "a-key"


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.fixture
def bob() -> APIClient:
    return APIClient("bob")


def config(secret: str = "***", url: str = URL, **more: Any) -> dict[str, Any]:
    tool = {"type": "mcp", "config": {"url": url, "headers": {"Authorization": secret}, **more}}
    return {"configurable": {TOOLS: [tool]}}


def put(client: APIClient, assistant: str, sent: Any, **fields: Any) -> Any:
    return client("PUT", f"/assistants/{assistant}", {"name": "a", "config": sent, **fields})


def start(client: APIClient, thread: str, sent: Any, **fields: Any) -> Any:
    return client("POST", "/runs", {"thread_id": thread, "input": [], "config": sent, **fields})


def built_of(run: Run) -> AgentConfig:
    """What the run is done with."""
    return ingredients_of(run)[0]


def secret_of(assistant: str) -> str:
    """What a run of the assistant sends as its header."""
    row = Assistant.objects.get(pk=assistant)
    [tool] = built_of(Run(assistant=row, owner=row.owner)).tools
    return tool.config


def complaints(response: Any) -> list[tuple[Any, str, Any]]:
    assert response.status_code == 422, response.content
    return [(item["loc"], item["msg"], item["input"]) for item in response.json()["detail"]]


# Assistants


def test_the_owner_sees_that_there_is_one(alice: APIClient, bob: APIClient) -> None:
    created = alice("POST", "/assistants", {"name": "a", "config": config("s3cret"), "public": True})
    assistant = created.json()["assistant_id"]
    answers = [
        created,
        alice("GET", f"/assistants/{assistant}"),
        put(alice, assistant, config("other"), public=True),
    ]
    assert [answer.json()["config"] for answer in answers] == [config("***")] * 3
    assert [item["config"] for item in alice("GET", "/assistants").json()] == [config("***")]
    assert bob("GET", f"/assistants/{assistant}").json()["config"] == {
        "configurable": {TOOLS: [{"type": "mcp", "config": {}}]}
    }
    assert "other" in secret_of(assistant)


def test_what_was_shown_may_be_sent_back(alice: APIClient) -> None:
    assistant = alice.make_assistant(config=config("s3cret"))
    shown = alice("GET", f"/assistants/{assistant}").json()["config"]
    assert put(alice, assistant, shown, name="renamed").status_code == 200
    assert "s3cret" in secret_of(assistant)
    assert put(alice, assistant, config("new")).status_code == 200
    assert "new" in secret_of(assistant)
    assert put(alice, assistant, {"configurable": {}}).status_code == 200
    assert Assistant.objects.get().secrets == []
    assert complaints(put(alice, assistant, shown)) == [(PLACE, NoCounterpart.NONE_STORED.value, "***")]


def test_nothing_is_kept_that_is_not_there(alice: APIClient, bob: APIClient) -> None:
    sent = {"name": "a", "config": config()}
    expected = [(PLACE, NoCounterpart.NONE_STORED.value, "***")]
    assert complaints(alice("POST", "/assistants", sent)) == expected
    assert complaints(put(alice, "1a4c7f4e-2c7c-4a4a-9a3c-0f6f4a1f8a55", config())) == expected
    of_bob = bob.make_assistant(config=config("s3cret"), public=True)
    assert complaints(put(alice, of_bob, config())) == expected
    assert "s3cret" in secret_of(of_bob)


def test_a_secret_is_not_sent_to_another_server(alice: APIClient) -> None:
    assistant = alice.make_assistant(config=config("s3cret"))
    evil = put(alice, assistant, config(url="https://evil.example/mcp"))
    assert complaints(evil) == [(PLACE, NoCounterpart.ELSEWHERE.value, "***")]
    assert "mcp.example" in secret_of(assistant)
    assert put(alice, assistant, config(url="https://mcp.example/v2")).status_code == 200
    assert "s3cret" in secret_of(assistant)


def test_what_looks_encrypted_is_encrypted(alice: APIClient, bob: APIClient) -> None:
    alice.make_assistant(config=config("s3cret"))
    token = Assistant.objects.get().secrets[0]["token"]
    assistant = bob.make_assistant(config={**config(token), "secrets": Assistant.objects.get().secrets})
    assert token in secret_of(assistant)
    assert "s3cret" not in secret_of(assistant)


def test_a_wrong_config_is_not_repeated_with_its_secrets(alice: APIClient) -> None:
    [tool] = config("s3cret", timeout=-1)["configurable"][TOOLS]
    response = alice("POST", "/assistants", {"name": "a", "config": {"configurable": {TOOLS: [tool]}}})
    [(_, message, shown)] = complaints(response)
    assert "timeout" in message
    assert shown == config("***", timeout=-1)["configurable"][TOOLS]
    assert "s3cret" not in response.content.decode()


def test_the_graph_needs_no_secret(alice: APIClient, settings: Any) -> None:
    assistant = alice.make_assistant(config=config("s3cret"))
    before = alice("GET", f"/assistants/{assistant}/graph").json()
    settings.SECRETS_KEYS = ["x" * 43 + "="]
    assert alice("GET", f"/assistants/{assistant}/graph").json() == before


def test_listing_decrypts_nothing(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assistant = alice.make_assistant(config=config("s3cret"))

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("decrypted")

    monkeypatch.setattr("agents.config_secrets.sealing.decrypt", fail)
    monkeypatch.setattr("opengpts.encryption.decrypt", fail)
    for path in ("/assistants", f"/assistants/{assistant}", "/assistants/public"):
        assert alice("GET", path).status_code == 200
    shown = alice("GET", f"/assistants/{assistant}").json()["config"]
    assert put(alice, assistant, shown).status_code == 200


def test_a_lost_key_takes_the_tool_and_nothing_else(alice: APIClient, settings: Any) -> None:
    sent = config("s3cret")
    sent["configurable"][TOOLS].append("wikipedia")
    assistant = alice.make_assistant(config=sent)
    keys, settings.SECRETS_KEYS = settings.SECRETS_KEYS, ["x" * 43 + "="]
    row = Assistant.objects.get()
    mcp, wikipedia = built_of(Run(assistant=row, owner=row.owner)).tools
    assert "Enter the secret anew" in mcp.problem
    assert (wikipedia.type, wikipedia.problem) == ("wikipedia", "")
    shown = alice("GET", f"/assistants/{assistant}").json()["config"]
    assert shown["configurable"][TOOLS][0] == config()["configurable"][TOOLS][0]
    assert put(alice, assistant, shown).status_code == 200
    settings.SECRETS_KEYS = keys
    row.refresh_from_db()
    mcp, _ = built_of(Run(assistant=row, owner=row.owner)).tools
    assert "s3cret" in mcp.config


# Runs


def test_a_run_may_change_a_tool_and_keep_its_secret(alice: APIClient) -> None:
    thread = alice.make_thread(alice.make_assistant(config=config("s3cret")))
    assert start(alice, thread, config(timeout=5)).status_code == 200
    run = Run.objects.get()
    assert run.config == config(timeout=5)
    [tool] = built_of(run).tools
    assert "s3cret" in tool.config
    assert '"timeout": 5' in tool.config


def test_a_run_has_secrets_of_its_own(alice: APIClient) -> None:
    thread = alice.make_thread()
    assert start(alice, thread, config("mine")).status_code == 200
    run = Run.objects.get()
    assert run.config == config()
    assert "mine" in built_of(run).tools[0].config
    assert complaints(start(alice, thread, config())) == [(PLACE, NoCounterpart.NONE_STORED.value, "***")]


def test_a_run_may_not_send_it_elsewhere(alice: APIClient) -> None:
    thread = alice.make_thread(alice.make_assistant(config=config("s3cret")))
    evil = start(alice, thread, config(url="https://evil.example"))
    assert complaints(evil) == [(PLACE, NoCounterpart.ELSEWHERE.value, "***")]
    assert not Run.objects.exists()


def test_the_secrets_of_a_public_assistant_are_its_owners(alice: APIClient, bob: APIClient) -> None:
    assistant = alice.make_assistant(config=config("s3cret"), public=True)
    thread = bob.make_thread(assistant)
    for sent in (config(), config(url="https://evil.example"), config(timeout=1)):
        response = start(bob, thread, sent)
        assert complaints(response) == [(PLACE, NoCounterpart.NONE_STORED.value, "***")]
    seen = bob("GET", f"/assistants/{assistant}").json()["config"]
    assert start(bob, thread, seen).status_code == 422  # a tool without its url
    assert not Run.objects.exists()
    # As it is, it acts with its owner's; with tools of the run's own, with those alone.
    assert start(bob, thread, {"configurable": {"type==agent/system_message": "x"}}).status_code == 200
    assert "s3cret" in built_of(Run.objects.get()).tools[0].config
    assert start(bob, thread, config("of bob", url="https://bob.example")).status_code == 200
    [tool] = built_of(Run.objects.latest("created_at")).tools
    assert "of bob" in tool.config
    assert "s3cret" not in tool.config


def test_commands_of_the_protocol_obey_the_same(alice: APIClient, bob: APIClient) -> None:
    assistant = alice.make_assistant(config=config("s3cret"), public=True)
    params = {"assistant_id": assistant, "input": [{"type": "human", "content": "x"}], "config": config()}
    for client, done in ((bob, False), (alice, True)):
        thread = client.make_thread(assistant)
        command = {"id": 1, "method": "run.start", "params": params}
        answer = client("POST", f"/threads/{thread}/commands", command).json()
        assert (answer["type"] == "success") is done, answer
    assert "s3cret" in built_of(Run.objects.get()).tools[0].config


# Schedules


def test_a_schedule_takes_over_and_keeps(alice: APIClient) -> None:
    assistant = alice.make_assistant(config=config("s3cret"))
    thread = alice.make_thread(assistant)
    schedule = post_schedule(alice, thread, config=config(timeout=3))
    assert alice("GET", f"/schedules/{schedule.pk}").json()["config"] == config(timeout=3)
    assert alice("GET", "/schedules").json()[0]["config"] == config(timeout=3)
    # It has it now, whatever becomes of the assistant's.
    put(alice, assistant, {"configurable": {}})
    body = {"thread_id": thread, "cron": "0 10 * * *", "config": config(timeout=4)}
    assert alice("PUT", f"/schedules/{schedule.pk}", body).json()["config"] == config(timeout=4)
    make_due(schedule)
    assert tick() == 1
    schedule.refresh_from_db()
    assert schedule.last_error == ""
    run = Run.objects.get()
    assert run.config == config(timeout=4)
    assert "s3cret" in built_of(run).tools[0].config


def test_a_schedule_of_anothers_assistant_takes_nothing(alice: APIClient, bob: APIClient) -> None:
    thread = bob.make_thread(alice.make_assistant(config=config("s3cret"), public=True))
    body = {"thread_id": thread, "cron": "0 9 * * *", "config": config()}
    assert complaints(bob("POST", "/schedules", body)) == [(PLACE, NoCounterpart.NONE_STORED.value, "***")]
    own = post_schedule(bob, thread, config=config("of bob"))
    evil = bob("PUT", f"/schedules/{own.pk}", {**body, "config": config(url="https://evil.example")})
    assert complaints(evil) == [(PLACE, NoCounterpart.ELSEWHERE.value, "***")]
    assert "of bob" not in str(Schedule.objects.values().get())


def test_a_schedule_whose_key_is_lost_runs_without_that_tool(alice: APIClient, settings: Any) -> None:
    schedule = post_schedule(alice, alice.make_thread(), config=config("s3cret"))
    settings.SECRETS_KEYS = ["x" * 43 + "="]
    make_due(schedule)
    assert tick() == 1
    assert "Enter the secret anew" in built_of(Run.objects.get()).tools[0].problem
