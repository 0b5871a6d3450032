"""Every route, asked for another user's things: they answer as if there were none, and nothing changes."""

from typing import Any

import pytest

from assistants.models import Assistant
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from threads.models import Message, Thread

pytestmark = pytest.mark.django_db

HUMAN = {"type": "human", "content": "hi"}


@pytest.fixture
def alices() -> dict[str, str]:
    """What alice has: a private assistant and a public one, a thread with a message, a run, and a schedule."""
    alice = APIClient("alice")
    private, public = alice.make_assistant(), alice.make_assistant(public=True)
    thread = alice.make_thread(private)
    assert alice("POST", f"/threads/{thread}/state", {"values": [HUMAN]}).status_code == 200
    run = alice("POST", "/runs", {"thread_id": thread, "input": [HUMAN]}).json()["run_id"]
    schedule = alice("POST", "/schedules", {"thread_id": thread, "cron": "0 9 * * *"}).json()["schedule_id"]
    return {"private": private, "public": public, "thread": thread, "run": run, "schedule": schedule}


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Assistant, Thread, Message, Run, Schedule)]


ASSISTANT = {"name": "stolen", "config": {"configurable": {}}}
SCHEDULE = {"thread_id": "{thread}", "cron": "* * * * *"}
REFUSED = [
    ("GET", "/assistants/{private}", None),
    ("GET", "/assistants/{private}/graph", None),
    ("PUT", "/assistants/{private}", ASSISTANT),
    ("PUT", "/assistants/{public}", ASSISTANT),
    ("GET", "/threads/{thread}", None),
    ("PUT", "/threads/{thread}", {"name": "stolen", "assistant_id": "{public}"}),
    ("POST", "/threads", {"name": "mine", "assistant_id": "{private}"}),
    ("GET", "/threads/{thread}/state", None),
    ("POST", "/threads/{thread}/state", {"values": [HUMAN]}),
    ("GET", "/threads/{thread}/history", None),
    ("POST", "/runs", {"thread_id": "{thread}", "assistant_id": "{public}", "input": [HUMAN]}),
    ("GET", "/runs/{run}", None),
    ("POST", "/schedules", SCHEDULE),
    ("GET", "/schedules/{schedule}", None),
    ("PUT", "/schedules/{schedule}", SCHEDULE),
]
DELETED = ["/assistants/{private}", "/assistants/{public}", "/threads/{thread}", "/schedules/{schedule}"]


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
@pytest.mark.parametrize("user", ["bob", None], ids=["bob", "nobody"])
def test_anothers_things_are_not_found(
    alices: dict[str, str], method: str, path: str, body: Any, user: str | None
) -> None:
    stranger = APIClient(user)
    stranger("GET", "/assistants/")
    before = everything()
    response = stranger(method, path.format(**alices), filled(body, alices))
    assert response.status_code == 404, response.content
    assert response.json()["detail"].endswith("not found")
    assert everything() == before


@pytest.mark.parametrize("path", DELETED)
def test_deleting_anothers_things_changes_nothing(alices: dict[str, str], path: str) -> None:
    before = everything()
    assert APIClient("bob")("DELETE", path.format(**alices)).json() == {"status": "ok"}
    assert everything() == before


def test_a_public_assistant_can_be_read_and_run_by_others(alices: dict[str, str]) -> None:
    bob = APIClient("bob")
    assert bob("GET", f"/assistants/{alices['public']}").status_code == 200
    thread = bob.make_thread(alices["public"])
    assert bob("POST", "/runs", {"thread_id": thread, "input": [HUMAN]}).json()["status"] == "ok"


def test_an_assistant_made_private_is_run_by_others_no_more(alices: dict[str, str]) -> None:
    bob = APIClient("bob")
    thread = bob.make_thread(alices["public"])
    APIClient("alice")("PUT", f"/assistants/{alices['public']}", {**ASSISTANT, "public": False})
    assert bob("POST", "/runs", {"thread_id": thread, "input": [HUMAN]}).status_code == 404


def test_a_user_with_a_password_is_not_to_be_had_by_cookie(django_user_model: Any) -> None:
    django_user_model.objects.create_superuser("root", password="secret")
    response = APIClient("root")("GET", "/assistants/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    django_user_model.objects.create_user("member", password="secret")
    assert APIClient("member")("GET", "/assistants/").status_code == 401


KEY = "a-key-of-alice's"
WITH_KEYS = [
    {"type": "mcp", "config": {"url": f"https://example.org/mcp?key={KEY}", "headers": {"X-Key": KEY}}},
    {"type": "openapi", "config": {"spec_url": "https://example.org/", "auth": {"type": "bearer", "token": KEY}}},
    "Wikipedia",
]
OWN_VIEW = [
    {"type": "mcp", "config": {"url": "https://example.org/mcp?key=***", "headers": {"X-Key": "***"}}},
    {"type": "openapi", "config": {"spec_url": "https://example.org/", "auth": {"type": "bearer", "token": "***"}}},
    "Wikipedia",
]


def test_others_are_not_shown_the_keys_of_a_public_assistants_tools() -> None:
    alice, bob = APIClient("alice"), APIClient("bob")
    config = {"configurable": {"type==agent/tools": WITH_KEYS, "type==agent/system_message": "hello"}}
    assistant = alice.make_assistant(config=config, public=True)
    shown = {"type==agent/tools": [{"type": "mcp", "config": {}}, {"type": "openapi", "config": {}}, "Wikipedia"]}
    for path in (f"/assistants/{assistant}", "/assistants/public"):
        seen, own = (client("GET", path).json() for client in (bob, alice))
        seen, own = (answer[0] if isinstance(answer, list) else answer for answer in (seen, own))
        assert seen["config"]["configurable"] == {**config["configurable"], **shown}
        assert own["config"]["configurable"]["type==agent/tools"] == OWN_VIEW
